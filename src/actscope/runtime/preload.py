"""Imported first by the forkserver: its garbage collector waits for forks.

It takes a quarter of the time of the imports that follow, and what it goes through in a fork, the
fork has to copy (Python's docs, `gc.freeze`).
"""

import gc
import os

gc.disable()
os.register_at_fork(before=gc.freeze, after_in_child=gc.enable)
