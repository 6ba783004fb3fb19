import sys

from actscope.bench.app import main

if __name__ == "__main__":
    sys.exit(main())
