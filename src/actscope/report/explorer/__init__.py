"""The explorer, a page that shows any run of a report."""
