"""Benchmarks: actscope's speed on this machine, compared with a floor and with common loops."""
