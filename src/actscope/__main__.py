"""`python -m actscope`: a sub-command, or the settings of one point, or with `-m` of a grid."""

import sys

from actscope.commands.main import COMMANDS, main


def run() -> int:
    words = sys.argv[1:]
    is_command = words[:1] and (words[0] in COMMANDS or words[0] == "--version")
    return main(words if is_command else ["train", *words])


if __name__ == "__main__":
    sys.exit(run())
