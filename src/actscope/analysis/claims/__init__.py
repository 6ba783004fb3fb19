"""The article's claims and what the runs say of them."""
