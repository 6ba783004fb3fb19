"""What a run may have imported: only classes of torch.nn, and those that files in conf/ name."""

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from mlflow.entities import Run

from actscope.analysis.known_classes import check_known, is_known
from actscope.analysis.logged_settings import activation_of
from actscope.commands.main import main
from actscope.config import Activation, DataSource
from actscope.engine.data import load_data
from actscope.engine.train import train_stack
from actscope.errors import ConfigError
from actscope.network_settings import OwnNetwork
from actscope.parsing import flat_settings
from actscope.report import cli
from actscope.report.figures.activation_functions import draw_functions
from actscope.runtime.own_folder import OWN_CONF
from actscope.tracking import GridPoint, Store
from actscope.tracking.grids import GRID
from actscope.tracking.signature import Signature
from tests.support.making import make_point
from tests.support.tracked import STUDY, log_study, new_store

POINT = make_point(hidden=(3,), epochs=1, batch_size=200, every="epoch")
EVIL = "import os, pathlib\npathlib.Path(os.environ['MARK']).touch()\nraise SystemExit(0)\n"


@pytest.fixture
def mark(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file that is there once the hostile module `evil` was imported; and that module."""
    (tmp_path / "code").mkdir()
    (tmp_path / "code" / "evil.py").write_text(EVIL)
    monkeypatch.syspath_prepend(tmp_path / "code")
    monkeypatch.setenv("MARK", str(tmp_path / "imported"))
    return tmp_path / "imported"


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    store = new_store(tmp_path)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", store.uri)
    return store


@pytest.fixture
def run_id(store: Store) -> str:
    (run_id,) = log_study(store, train_stack([POINT], load_data(POINT.data)))
    return run_id


def edit(store: Store, run_id: str, **settings: object) -> None:
    """Write other settings into a run's config.yaml, as whoever makes a bundle may."""
    path = store.artifact_path(STUDY, run_id, "config.yaml")
    path.write_text(yaml.safe_dump(yaml.safe_load(path.read_text()) | settings))


def activation(function: str, **arguments: object) -> dict[str, object]:
    return {"name": "relu", "batch_norm": False, "function": {"_target_": function, **arguments}}


@pytest.mark.parametrize(
    "path",
    [
        *("evil.Evil", "evil:Evil", "os.system", "torch.nn.functional.relu", "torch.nn.Parameter"),
        *("torch.nn.modules.activation.ReLU", "torch.nn", "torch.nn.init", "torch.nn.ReLU.forward"),
        *("torch.load", "torch.hub.load", "torch.nn.__dict__", "mlruns.artifacts.evil.Evil", ""),
        "tests.support.own_functions.Swish",
    ],
)
def test_no_run_may_name_another_class(path: str) -> None:
    with pytest.raises(ConfigError, match="not imported, because neither"):
        check_known(Activation("relu", path))


@pytest.mark.parametrize(
    "path", ["evil.Evil", "torch.nn.Linear", "actscope.engine.model.StackedMLP", "os.system"]
)
def test_no_run_may_name_another_network(path: str) -> None:
    with pytest.raises(ConfigError, match="not imported, because no file of conf/model names"):
        check_known(OwnNetwork(path))


def test_a_run_may_name_a_shipped_network() -> None:
    check_known(OwnNetwork("actscope.engine.lenet.LeNet", (("channels", (2, 3)),)))
    check_known(POINT.model)


@pytest.mark.parametrize("path", ["torch.nn.ReLU", "torch.nn.Softsign", "torch.nn.Identity"])
def test_a_run_may_name_torch_s_own(path: str) -> None:
    check_known(Activation("any", path))


def test_a_run_may_name_what_a_user_s_own_files_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "activation"
    folder.mkdir()
    for name, text in {
        "mine": "name: mine\nfunction:\n  _target_: own.Mine\n",
        "broken": "name: [",
        "empty": "",
        "list": "- 1",
        "latin": "# \xe9",
    }.items():
        (folder / f"{name}.yaml").write_text(text, encoding="latin-1")
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "net.yaml").write_text("_target_: own.Net\nwidth: 3\n")
    assert not is_known("activation", "own.Mine")
    monkeypatch.setenv(OWN_CONF, str(tmp_path))
    assert is_known("activation", "own.Mine")
    assert is_known("model", "own.Net")
    assert not is_known("activation", "own.Net")
    assert not is_known("model", "own.Mine")
    assert not is_known("activation", "own.Other")
    assert not is_known("activation", "")
    assert not is_known("model", "")
    monkeypatch.delenv(OWN_CONF)
    assert not is_known("activation", "own.Mine")
    (tmp_path / "conf").symlink_to(tmp_path)
    monkeypatch.chdir(tmp_path)
    assert is_known("activation", "own.Mine")


@pytest.mark.parametrize(
    ("settings", "said_of"),
    [
        ({"activation": activation("evil.Evil")}, "activation.function._target_='evil.Evil'"),
        ({"model": {"_target_": "evil.Evil", "width": 3}}, "model._target_='evil.Evil'"),
    ],
)
def test_verify_imports_nothing_that_a_run_names(
    settings: dict[str, object],
    said_of: str,
    store: Store,
    run_id: str,
    mark: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    edit(store, run_id, **settings)
    assert main(["verify", f"study={STUDY}"]) == 2
    said = capsys.readouterr().err
    assert said.startswith(f"actscope: config.yaml of run {run_id}: {said_of}: not imported")
    assert said.count("\n") == 1
    assert not mark.exists()


def test_status_imports_nothing_that_a_run_names(
    store: Store, run_id: str, mark: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    point = replace(POINT, model=OwnNetwork("evil.Evil"))
    grid = GridPoint(str(point), flat_settings(point), Signature("config", "data", "code"))
    (sweep,) = (row for row in store.client.search_runs(store.studies()[STUDY]) if is_sweep(row))
    store.artifact_path(STUDY, sweep.info.run_id, GRID).write_text(f"{grid.to_json()}\n")
    assert main(["status", f"study={STUDY}"]) == 0
    assert "class   evil.Evil: its code was not compared" in capsys.readouterr().out
    assert not mark.exists()


def is_sweep(run: Run) -> bool:
    return run.data.tags.get("actscope.kind") == "sweep"


def test_verify_imports_nothing_from_among_the_artifacts(
    store: Store, run_id: str, mark: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = store.artifact_path(STUDY, run_id, "config.yaml").parent
    (folder / "evil.py").write_text(EVIL)
    monkeypatch.syspath_prepend(tmp_path)  # from where `mlruns` is a package
    path = ".".join([*folder.relative_to(tmp_path).parts, "evil", "Evil"])
    edit(store, run_id, activation=activation(path))
    assert main(["verify", f"study={STUDY}"]) == 2
    assert not mark.exists()


def test_a_command_in_a_folder_of_artifacts_imports_nothing_that_lies_there(
    store: Store, run_id: str, mark: Path
) -> None:
    folder = store.artifact_path(STUDY, run_id, "config.yaml").parent
    for name in ("typing", "yaml", "pydantic", "evil"):
        (folder / f"{name}.py").write_text(EVIL)
    words = [sys.executable, "-c", "import actscope.config, yaml; import evil"]
    done = subprocess.run(words, cwd=folder, capture_output=True, text=True, check=False)
    assert done.stderr.endswith("ModuleNotFoundError: No module named 'evil'\n")
    assert not mark.exists()


@pytest.mark.usefixtures("unrendered")
def test_a_report_names_an_unknown_class_and_draws_the_others(
    store: Store, run_id: str, mark: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from sqlalchemy import create_engine, text

    with create_engine(store.uri).begin() as database:
        changed = "UPDATE params SET value = 'evil.Evil' WHERE key = 'activation.function._target_'"
        database.execute(text(changed))
    assert cli.main([f"study={STUDY}", f"report.folder={tmp_path}/reports"]) == 0
    assert not mark.exists()
    figure = draw_functions(
        {"evil": Activation("evil", "evil.Evil"), "elu": Activation("elu", "torch.nn.ELU")}
    )
    unknown, known = figure.axes
    assert [each.get_text() for each in unknown.texts] == ["not drawn:\nunknown class"]
    assert unknown.get_title() == "evil"
    assert len(known.lines) == 4
    assert not mark.exists()


@pytest.mark.parametrize(
    "value", ["[1, 2]", "{'a': 1}", "(" * 5000, "b'x'", "1" * 5000, "x" * 90, "nan", "-inf"]
)
def test_an_argument_that_no_configuration_has_leaves_the_name_alone(value: str) -> None:
    params = {
        "activation": "elu",
        "activation.function._target_": "torch.nn.ELU",
        "activation.function.alpha": value,
    }
    found = activation_of(params)
    assert found.name == "elu"
    assert found.function in ("", "torch.nn.ELU")
    assert draw_functions({"elu": found}).axes[0].texts or value in ("nan", "-inf")


@pytest.mark.parametrize("where", ["study", "lr", "init", "argument"])
def test_no_interpolation_of_a_run_is_resolved(
    store: Store,
    run_id: str,
    where: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("SECRET", "hunter2")
    word = "${oc.env:SECRET}"
    settings: dict[str, dict[str, object]] = {
        "study": {"study": word},
        "lr": {"lr": word},
        "init": {"model": {"hidden": [3], "init": word, "init_std": None}},
        "argument": {"activation": activation("torch.nn.ELU", alpha=word)},
    }
    edit(store, run_id, **settings[where])
    assert main(["verify", f"study={STUDY}"]) == 2
    said = "".join(capsys.readouterr())
    assert "hunter2" not in said
    assert said.count("\n") == 1


def test_nothing_is_fetched_to_where_a_run_says(store: Store, run_id: str, tmp_path: Path) -> None:
    edit(store, run_id, data={"name": "digits", "root": str(tmp_path / "planted")})
    assert main(["verify", f"study={STUDY}"]) == 0
    assert not (tmp_path / "planted").exists()


def test_a_class_that_exits_is_no_verification(
    store: Store,
    run_id: str,
    mark: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "conf" / "activation").mkdir(parents=True)
    monkeypatch.setenv(OWN_CONF, str(tmp_path / "conf"))
    for target, reason in {
        "evil.Evil": "cannot be imported: SystemExit: 0",
        "tests.support.own_functions.Exits": "fails when it is tried: SystemExit: 0",
        "tests.support.raising.ExitsInTraining": "a user's own code raises SystemExit: 0",
    }.items():
        text = yaml.safe_dump(activation(target))
        (tmp_path / "conf" / "activation" / "own.yaml").write_text(text)
        edit(store, run_id, activation=activation(target))
        assert main(["verify", f"study={STUDY}"]) in (1, 2)
        said = capsys.readouterr().err
        assert reason in said
        assert len([line for line in said.splitlines() if line.startswith("actscope: ")]) == 1


SHOW_PATH = "import sys; here = sys.path[0]; import actscope; print(here in sys.path)"


@pytest.mark.parametrize(
    ("folder", "beside", "is_offered"),
    [
        ("mlruns/artifacts/1/a/artifacts", "mlruns/mlflow.db", False),
        ("mlruns", "mlruns/mlflow.db", False),
        ("mlruns/spool/tests", None, False),
        ("store/artifacts/1", "store/mlflow.db", False),
        ("unpacked/parcels/a", "unpacked/manifest.json", False),
        ("store/code", "store/mlflow.db", True),
        ("mlruns/code", None, True),
        ("artifacts/code", None, True),
    ],
)
def test_python_imports_nothing_from_a_store(
    tmp_path: Path, folder: str, beside: str | None, is_offered: bool
) -> None:
    (tmp_path / folder).mkdir(parents=True)
    if beside is not None:
        (tmp_path / beside).touch()
    environment = os.environ | {"PYTHONPATH": str(tmp_path / folder)}
    words = [sys.executable, "-P", "-c", SHOW_PATH]
    done = subprocess.run(words, env=environment, capture_output=True, text=True, check=True)
    assert done.stdout == f"{is_offered}\n"


@pytest.mark.parametrize("path", ["evil.load", "os.system", "tests.support.own_data.tensors"])
def test_no_run_may_name_another_function_of_data(path: str) -> None:
    check_known(DataSource("digits"))
    with pytest.raises(ConfigError, match="not imported, because no file of conf/data names it"):
        check_known(DataSource(path))
