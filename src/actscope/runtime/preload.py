"""Imported first by the forkserver: turns its garbage collector off until it forks.

The collector takes a quarter of the time of the imports that follow. In a fork, memory that the
collector touches has to be copied (Python's docs, `gc.freeze`).
"""

import gc
import os

gc.disable()
os.register_at_fork(before=gc.freeze, after_in_child=gc.enable)
