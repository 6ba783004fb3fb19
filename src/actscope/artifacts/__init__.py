"""Everything that is saved of a run: files, metrics, fates of units, pictures."""
