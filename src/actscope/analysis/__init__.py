"""What the runs of a study say, apart from how a page shows it."""
