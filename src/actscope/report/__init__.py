"""The report of a study: its finished runs read back, judged and drawn."""
