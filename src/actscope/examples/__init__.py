"""Networks and data sets that actscope ships, written as a user writes them.

They import nothing of actscope, and their source is part of the signature as a user's own is.
"""
