"""Commands import what they need: help and mistakes nothing slow, readers of a store no MLflow."""

import json
import subprocess
import sys
from pathlib import Path

from actscope.commands.main import COMMANDS
from tests.support.tracked import new_store

WRONG_WORD = dict.fromkeys(COMMANDS, "no_setting=1") | {"ui": "--port=x"}
SLOW = {"torch", "mlflow", "matplotlib", "pandas", "distributed", "optuna"}
CODE = """
import json, sys
from actscope.commands.main import main
found = {}
for line in json.loads(sys.argv[1]):
    try:
        code = main(line.split(" "))
    except SystemExit as end:
        code = end.code
    found[line] = (code or 0, [name for name in sys.modules if "." not in name])
print(json.dumps(found))
"""


def run(*lines: str) -> tuple[dict[str, int], set[str], list[str]]:
    """Exit code of each line of words, all modules imported, lines of standard error."""
    done = subprocess.run(
        [sys.executable, "-c", CODE, json.dumps(lines)], capture_output=True, text=True, check=True
    )
    found = json.loads(done.stdout.splitlines()[-1])
    modules = {name for _, names in found.values() for name in names}
    return {line: code for line, (code, _) in found.items()}, modules, done.stderr.splitlines()


def test_neither_help_nor_a_wrong_word_which_is_one_line_is_a_slow_import() -> None:
    helped = dict.fromkeys((f"{name} --help" for name in COMMANDS), 0)
    wrong = dict.fromkeys((f"{name} {word}" for name, word in WRONG_WORD.items()), 2)
    codes, modules, lines = run(*helped, *wrong)
    assert codes == helped | wrong
    assert len(lines) == len(COMMANDS)
    assert all(line.startswith("actscope: ") for line in lines)
    assert modules & SLOW == set()


def test_a_local_store_is_used_without_mlflow_and_read_without_torch(tmp_path: Path) -> None:
    store = new_store(tmp_path)
    there = f"tracking.uri={store.uri}"
    grid = f"study=one activation=relu,celu lr=0.01 seed=0 train.epochs=1 {there}"
    grid += f" hydra.launcher.workers=0 hydra.sweep.dir={tmp_path}/outputs"
    codes, modules, lines = run(f"sweep {grid}")
    assert (codes, lines) == ({f"sweep {grid}": 0}, [])
    assert "torch" in modules
    assert modules & {"mlflow", "sqlalchemy"} == set()  # it writes without them, too
    finished = store.studies()
    readers = ["status study=one", "doctor", "sync", "report claims"]
    commands = [*(f"{reader} {there}" for reader in readers), f"plan {grid}", f"sweep {grid}"]
    codes, modules, lines = run(*commands)
    assert codes == dict.fromkeys(commands, 0)
    assert lines == []
    assert (
        modules & {"torch", "mlflow", "sqlalchemy", "matplotlib", "distributed", "optuna"} == set()
    )
    runs = [row for row in store.point_rows(finished["one"]) if row.status == "FINISHED"]
    assert len(runs) == 2  # none was trained again
