"""Grid, stacks, workers, results."""
