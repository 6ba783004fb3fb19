"""The figures of a report: a table in, a figure out."""
