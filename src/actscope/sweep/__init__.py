"""Runs a sweep: grid, stacks, workers, results."""
