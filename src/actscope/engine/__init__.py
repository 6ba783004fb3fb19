"""All code that produces numbers, and nothing else. Its hash is part of every point's signature."""
