"""`python -m actscope`."""

from actscope.app import run

if __name__ == "__main__":
    run()
