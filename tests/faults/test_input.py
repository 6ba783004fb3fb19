"""Wrong words on the command line: one line, an exit code, and nothing written."""

from pathlib import Path

import pytest

from tests.faults.conftest import TINY, Command

pytestmark = pytest.mark.slow

LONG = 10_000
NAME = "must begin with a letter or digit, and have only letters, digits, '_', '.' and '-'"
MISTAKES = {
    "lr=nan": "lr=nan: must be a finite number",
    "lr=inf": "lr=inf: must be a finite number",
    "lr=-1": "lr=-1: must be more than 0",
    "lr=fast": "lr='fast': must be a number",
    "seed=1.5": "seed=1.5: must be a whole number",
    "seed=-1": "seed=-1: must be at least 0",
    "activation=foo": "activation/foo",
    "sed=1": "sed: unknown setting; did you mean seed?",
    "+sed=1": "sed: unknown setting. Choose one of study, activation, lr, seed, ",
    "model.hidden=[]": "model.hidden=[]: must have at least 1 value",
    "model.hidden=[0]": "model.hidden[0]=0: must be at least 1",
    "device=tpu": "device='tpu': must be 'auto', 'cpu' or 'cuda'",
    "train.batch_size=0": "train.batch_size=0: must be at least 1",
    "train.batch_size=100000": "train.batch_size=100000: digits has only 1437 training examples. ",
    "train.epochs=0": "train.epochs=0: must be at least 1",
    "trajectory.every=0": "trajectory.every=0: must be at least 1 or 'epoch'",
    f"study={'x' * LONG}": f"study='{'x' * 56}...: must have at most 64 characters",
    "study=": f"study='': {NAME}",
    "study=\u540d\u524d": "study",
    "study='\u540d'": f"study='\\u540d': {NAME}",
    "study='it\\'s'": f'study="it\'s": {NAME}',
    "study='\"'": f"study='\"': {NAME}",
    "study='<script>'": f"study='<script>': {NAME}",
    "study='a b'": f"study='a b': {NAME}",
    "study=../x": f"study='../x': {NAME}",
    "study=/abs": f"study='/abs': {NAME}",
}


@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda mistake: ascii(mistake)[:30])
def test_a_mistake_is_one_line_and_nothing_more(
    command: Command, database: Path, home: Path, mistake: str
) -> None:
    one_activation = () if mistake.startswith("activation") else ("activation=relu",)
    for words in ((mistake,), ("-m", *one_activation, mistake)):
        line = command("sweep", *words).refused(2)
        assert MISTAKES[mistake] in line
    assert written(home) <= {"outputs"}
    assert not database.parent.exists()


@pytest.mark.parametrize(
    "mistake", [f"seed={'9' * LONG}", f"{'x' * LONG}=1"], ids=["value", "name"]
)
def test_a_word_that_hydra_stumbles_over_is_one_line(command: Command, mistake: str) -> None:
    for words in ((mistake,), ("-m", mistake)):
        assert f"{mistake[:57]}...: " in command("sweep", *words).refused(2)


def test_a_folder_for_outputs_that_cannot_be_made_is_one_line(command: Command, home: Path) -> None:
    (home / "outputs").touch()
    for words in (TINY, ("-m", *TINY)):
        assert f"{home}/outputs/0" in command("sweep", *words).refused(1)


def test_a_mistake_among_right_values_of_a_grid_stops_all_of_them(
    command: Command, home: Path
) -> None:
    assert "lr=-1: must be more than 0" in command("sweep", "-m", "lr=0.1,-1", "seed=0,1").refused(
        2
    )
    assert written(home) <= {"outputs"}


REPORT_MISTAKES = {
    "study=unknown": (1, "there is no store at"),
    "study=../x": (2, f"study='../x': {NAME}"),
    "study='<script>'": (2, f"study='<script>': {NAME}"),
    "study=": (2, f"study='': {NAME}"),
    f"study={'x' * LONG}": (2, "must have at most 64 characters"),
    "sed=1": (2, "sed: unknown setting"),
    "+sed=1": (2, "sed: unknown setting. Choose one of "),
    f"{'x' * LONG}=1": (2, f"{'x' * 57}...: unknown setting"),
    f"report.seed={'9' * LONG}": (2, f"report.seed={'9' * 45}...: the number has too many digits"),
    "report.seed=1.5": (2, "report.seed=1.5: must be a whole number"),
    "report.folder=": (2, "report.folder='': must have at least 1 character"),
    "study=[": (2, "study="),
    "claim": (2, "claim: unknown command. Give setting=value, or one of "),
    "--sed": (2, "unrecognized arguments: --sed. See `"),
}


@pytest.mark.parametrize("mistake", REPORT_MISTAKES, ids=lambda mistake: ascii(mistake)[:30])
def test_a_mistake_in_a_report_is_one_line_and_nothing_more(
    command: Command, home: Path, mistake: str
) -> None:
    code, reason = REPORT_MISTAKES[mistake]
    assert reason in command("report", mistake).refused(code)
    assert written(home) == set()


def test_an_unknown_study_is_told_with_those_there_are(command: Command, made: Path) -> None:
    assert "study=unknown: the store " in command("report", "study=unknown").refused(1)
    assert not (made.parents[1] / "reports").exists()


def test_a_folder_that_no_report_can_be_written_to_is_one_line(
    command: Command, made: Path, home: Path
) -> None:
    assert command("sweep", "-m", "seed=0", *TINY).code == 0
    (home / "file").touch()
    line = command("report", f"report.folder={home}/file/reports").refused(1)
    assert f"cannot write {home}/file/reports/quickstart: Not a dir" in line


@pytest.mark.parametrize("port", ["99999", "-1"])
def test_an_impossible_port_is_one_line(command: Command, home: Path, port: str) -> None:
    assert f"port {port} on 127.0.0.1 cannot be used" in command("ui", "--port", port).refused(1)
    assert written(home) == set()


def test_an_empty_address_of_a_store_is_one_line(
    command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "")
    for name in ("sweep", "report", "ui"):
        assert "tracking.uri='': must have at least 1 character" in command(name).refused(2)


@pytest.mark.parametrize("words", [["sweep", "lr=nan"], ["sweep", "-m", "lr=nan"]], ids=str)
def test_the_process_ends_with_that_line(process: Command, home: Path, words: list[str]) -> None:
    assert process(*words).refused(2) == "actscope: lr=nan: must be a finite number."
    assert written(home) <= {"outputs"}


def written(home: Path) -> set[str]:
    """Names of what commands have left in the folder of the test."""
    return {path.name for path in home.iterdir()} - {"elsewhere", "tmp"}
