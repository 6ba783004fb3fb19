"""`python -m actscope.report`, by as many processes as there are cores."""

import sys
from collections.abc import Sequence

from actscope.runtime import signals


def run(words: Sequence[str] | None = None) -> int:
    """Do what the words ask for; the exit code."""
    try:
        from actscope.report.cli import main
        from actscope.runtime.cores import CPU_COUNT
    except KeyboardInterrupt as reason:
        return signals.exit_code(reason)
    return main(words, processes=CPU_COUNT)


if __name__ == "__main__":
    sys.exit(run())
