"""Hydra's side of a sweep: see launcher.py."""
