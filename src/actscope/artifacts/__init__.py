"""What a run leaves behind: files, metrics, fates of units, pictures."""
