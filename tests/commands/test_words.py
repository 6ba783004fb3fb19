"""Help, and a mistake in a command's words, cost no slow import."""

import json
import subprocess
import sys

from actscope.commands.main import COMMANDS

WRONG_WORD = {**dict.fromkeys(COMMANDS, "no_setting=1"), "ui": "--port=x"}
SLOW = {"torch", "mlflow", "matplotlib", "pandas", "distributed"}
CODE = """
import json, sys
from actscope.commands.main import main
found = {}
for command, word in json.loads(sys.argv[1]).items():
    try:
        code = main([command, word])
    except SystemExit as end:
        code = end.code
    found[command] = (code or 0, [name for name in sys.modules if "." not in name])
print(json.dumps(found))
"""


def run(words: dict[str, str]) -> tuple[dict[str, int], set[str], list[str]]:
    """Exit code of each command with its word, all modules imported, lines of standard error."""
    done = subprocess.run(
        [sys.executable, "-c", CODE, json.dumps(words)], capture_output=True, text=True, check=True
    )
    found = json.loads(done.stdout.splitlines()[-1])
    modules = {name for _, names in found.values() for name in names}
    return (
        {command: code for command, (code, _) in found.items()},
        modules,
        done.stderr.splitlines(),
    )


def test_a_wrong_word_is_one_line_and_no_slow_import() -> None:
    codes, modules, lines = run(WRONG_WORD)
    assert codes == dict.fromkeys(COMMANDS, 2)
    assert len(lines) == len(COMMANDS)
    assert all(line.startswith("actscope: ") for line in lines)
    assert modules & SLOW == set()


def test_help_is_no_slow_import() -> None:
    codes, modules, lines = run(dict.fromkeys(COMMANDS, "--help"))
    assert codes == dict.fromkeys(COMMANDS, 0)
    assert lines == []
    assert modules & SLOW == set()
