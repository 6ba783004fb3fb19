"""How fast actscope is here, against the floor and against what one would write by hand."""
