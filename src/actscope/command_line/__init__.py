"""The command line: settings, error messages about them, and suggested commands."""
