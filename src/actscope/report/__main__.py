"""`python -m actscope.report`, by as many processes as there are cores."""

import sys

from actscope.runtime import signals


def run() -> int:
    try:
        from actscope.report.cli import main
        from actscope.runtime.cores import CPU_COUNT
    except KeyboardInterrupt as reason:
        return signals.exit_code(reason)
    return main(processes=CPU_COUNT)


if __name__ == "__main__":
    sys.exit(run())
