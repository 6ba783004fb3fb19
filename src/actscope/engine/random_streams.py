"""Random streams that depend on a point's seed alone."""

import hashlib


def stream_seed(seed: int, stream: str) -> int:
    """Seed of one of a point's independent random streams."""
    return int.from_bytes(hashlib.sha256(f"{stream}:{seed}".encode()).digest()[:8], "big") >> 1
