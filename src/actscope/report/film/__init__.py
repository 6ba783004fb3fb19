"""The film of units that die: two runs of one activation and seed, side by side."""
