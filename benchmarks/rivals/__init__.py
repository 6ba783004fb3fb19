"""Other tools, doing the jobs of actscope."""
