"""Commands import what they need: help and mistakes nothing slow, readers of a store no MLflow."""

import json
import subprocess
import sys
from pathlib import Path

from actscope.commands.main import COMMANDS
from tests.support.tracked import new_store

WRONG_WORD = {name: ["no_setting=1"] for name in COMMANDS} | {"ui": ["--port=x"]}
SLOW = {"torch", "mlflow", "matplotlib", "pandas", "distributed", "optuna"}
CODE = """
import json, sys
from actscope.commands.main import main
found = {}
for command, words in json.loads(sys.argv[1]).items():
    try:
        code = main([command, *words])
    except SystemExit as end:
        code = end.code
    found[command] = (code or 0, [name for name in sys.modules if "." not in name])
print(json.dumps(found))
"""


def run(words: dict[str, list[str]]) -> tuple[dict[str, int], set[str], list[str]]:
    """Exit code of each command with its words, all modules imported, lines of standard error."""
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
    codes, modules, lines = run({name: ["--help"] for name in COMMANDS})
    assert codes == dict.fromkeys(COMMANDS, 0)
    assert lines == []
    assert modules & SLOW == set()


def test_a_local_store_is_used_without_mlflow_and_read_without_torch(tmp_path: Path) -> None:
    store = new_store(tmp_path)
    there = [f"tracking.uri={store.uri}"]
    grid = ["study=one", "activation=relu,celu", "lr=0.01", "seed=0", "train.epochs=1", *there]
    grid += ["hydra.launcher.workers=0", f"hydra.sweep.dir={tmp_path}/outputs"]
    codes, modules, lines = run({"sweep": grid})
    assert (codes, lines) == ({"sweep": 0}, [])
    assert "torch" in modules
    assert modules & {"mlflow", "sqlalchemy"} == set()  # it writes without them, too
    finished = store.studies()
    readers = {"status": ["study=one", *there], "doctor": there, "sync": there}
    readers["report"] = ["claims", *there]
    codes, modules, lines = run({**readers, "plan": grid, "sweep": grid})
    assert codes == dict.fromkeys([*readers, "plan", "sweep"], 0)
    assert lines == []
    assert (
        modules & {"torch", "mlflow", "sqlalchemy", "matplotlib", "distributed", "optuna"} == set()
    )
    runs = [row for row in store.point_rows(finished["one"]) if row.status == "FINISHED"]
    assert len(runs) == 2  # none was trained again
