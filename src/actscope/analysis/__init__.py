"""A study's runs as tables, statistics and claims."""
