"""`python -m actscope`."""

import sys

from actscope.runtime import signals, startup


def main() -> None:
    try:
        with startup.heavy():
            from actscope.commands.train import run
    except KeyboardInterrupt as reason:
        sys.exit(signals.exit_code(reason))
    run()


if __name__ == "__main__":
    main()
