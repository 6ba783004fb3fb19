"""`python -m actscope`."""

import sys

from actscope import imports, interrupts


def main() -> None:
    try:
        with imports.heavy():
            from actscope.app import run
    except KeyboardInterrupt as reason:
        sys.exit(interrupts.exit_code(reason))
    run()


if __name__ == "__main__":
    main()
