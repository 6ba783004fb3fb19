"""The sub-commands of `actscope`, one file each."""
