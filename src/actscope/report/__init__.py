"""Build the report of a study from its finished runs."""
