"""All that makes numbers, and nothing else: every file here is part of a point's signature."""
