"""What is found in a user's own folder, and when the current folder is one."""

import sys
from pathlib import Path

import pytest

from actscope.errors import ConfigError
from actscope.project import CONF, ROOT
from actscope.runtime.own_folder import (
    OWN_CONF,
    conf_folders,
    hidden_files,
    offer_packages,
    own_folder,
)
from tests.support.fixtures import Compose


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with conf/, which is the current one."""
    folder = tmp_path / "own"
    (folder / "conf" / "model").mkdir(parents=True)
    monkeypatch.chdir(folder)
    monkeypatch.delenv(OWN_CONF, raising=False)
    monkeypatch.setattr(sys, "path", sys.path[:])
    return folder


def test_the_current_folder_is_the_user_s_own_if_it_has_settings(
    own: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert own_folder() == own
    assert conf_folders() == [CONF, own / "conf"]
    monkeypatch.chdir(tmp_path)
    assert own_folder() is None
    assert conf_folders() == [CONF]
    monkeypatch.chdir(ROOT)
    assert own_folder() is None


def test_a_variable_names_a_further_folder(
    own: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(OWN_CONF, "conf/model")
    assert conf_folders() == [CONF, own / "conf", own / "conf" / "model"]
    monkeypatch.setenv(OWN_CONF, str(tmp_path / "absent"))
    with pytest.raises(ConfigError, match=f"^{OWN_CONF}={tmp_path}/absent: is not a folder"):
        conf_folders()


def test_its_packages_can_be_imported_and_replace_none(own: Path) -> None:
    offer_packages()
    offer_packages()
    assert sys.path[-1] == str(own)
    assert sys.path.count(str(own)) == 1


@pytest.mark.parametrize(
    "beside", ["mlflow.db", "artifacts/mlflow.db", "own/manifest.json"], ids=lambda name: name
)
def test_a_folder_of_a_store_or_a_bundle_is_nobody_s_own(
    own: Path, tmp_path: Path, beside: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As if a bundle or a run's artifacts brought conf/ and code along."""
    folder = {"mlflow.db": "artifacts", "artifacts/mlflow.db": "artifacts/spool"}.get(beside, "own")
    (tmp_path / folder / "conf").mkdir(parents=True, exist_ok=True)
    monkeypatch.chdir(tmp_path / folder)
    assert own_folder() is not None
    (tmp_path / beside).touch()
    (tmp_path / folder / "parcels").mkdir()
    assert own_folder() is None
    assert conf_folders() == [CONF]
    offer_packages()
    assert str(tmp_path / folder) not in sys.path


def test_its_files_are_composed_behind_the_shipped_ones(own: Path, compose: Compose) -> None:
    (own / "conf" / "model" / "net.yaml").write_text("_target_: own.Net\nwidth: 3\n")
    (own / "conf" / "model" / "mlp.yaml").write_text("_target_: own.MLP\n")
    (own / "conf" / "config.yaml").write_text("study: of another program\n")
    assert compose("model=net").model == {"_target_": "own.Net", "width": 3}
    config = compose()
    assert "_target_" not in config.model
    assert config.study == "quickstart"
    assert hidden_files() == [own / "conf" / "model" / "mlp.yaml"]
