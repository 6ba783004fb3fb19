"""`python -m actscope.report`, with one process per core."""

import sys
from collections.abc import Sequence

from actscope.runtime import signals


def report(words: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code."""
    try:
        from actscope.report.cli import main
        from actscope.runtime.cores import CPU_COUNT
    except KeyboardInterrupt as reason:
        return signals.exit_code(reason)
    return main(words, processes=CPU_COUNT)


if __name__ == "__main__":
    sys.exit(report())
