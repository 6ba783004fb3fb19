"""`python -m actscope.report`: the command, and a process from which others are forked to help."""

import sys
from contextlib import nullcontext

from dask.system import CPU_COUNT

from actscope import forkserver

HELPERS_IMPORT = [
    "actscope.report.page",
    # These are loaded late, by those who first read a table or save a figure.
    "pyarrow.parquet",
    "matplotlib.backends.backend_agg",
    "matplotlib.backends.backend_svg",
]
HELPLESS = {"-h", "--help", "claims", "figure"}  # what builds no report


def run() -> int:
    is_alone = CPU_COUNT == 1 or not HELPLESS.isdisjoint(sys.argv)
    try:
        with nullcontext() if is_alone else forkserver.running(HELPERS_IMPORT):
            from actscope.report.app import main

            return main(processes=CPU_COUNT)
    except KeyboardInterrupt:  # while it imports
        return 130


if __name__ == "__main__":
    sys.exit(run())
