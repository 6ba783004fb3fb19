"""The article's claims and the verdicts on them."""
