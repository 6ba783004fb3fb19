"""Processes, signals, progress bars and standard output."""
