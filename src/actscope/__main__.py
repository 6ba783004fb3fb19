"""`python -m actscope`."""

import sys

from actscope import imports


def main() -> None:
    try:
        with imports.heavy():
            from actscope.app import run
    except KeyboardInterrupt:
        sys.exit(130)
    run()


if __name__ == "__main__":
    main()
