"""Run a command and write what it cost to a file: `python spend.py FILE COMMAND ...`.

Linux counts the memory of the process that starts a command as the command's, so this is small.
"""

import json
import resource
import subprocess
import sys
import time

if __name__ == "__main__":
    file, *command = sys.argv[1:]
    start = time.monotonic()
    code = subprocess.call(command)  # noqa: S603 - our own words
    wall = time.monotonic() - start
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)  # with the children's own
    cost = {
        "wall": wall,
        "cpu": usage.ru_utime + usage.ru_stime,
        "peak": usage.ru_maxrss * 1024,
    }
    with open(file, "w") as written:  # noqa: PTH123 - pathlib takes longer to import
        json.dump(cost, written)
    sys.exit(code)
