"""Studies carried from store to store in one file."""
