"""actscope installed from its wheel, used in an empty folder outside the checkout."""

import subprocess
import sys
import sysconfig
import venv
from importlib.metadata import version
from pathlib import Path

import pandas as pd
import pytest

from actscope.project import ROOT

pytestmark = pytest.mark.slow
PIP = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
STUDY = "study=installed"
GRID = ("activation=relu,elu", "lr=0.1", "seed=0", "train.epochs=1", STUDY)


@pytest.fixture(scope="module")
def programs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The programs of an environment that has actscope's wheel and this one's dependencies."""
    folder = tmp_path_factory.mktemp("wheel")
    build = [*PIP, "wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", folder, ROOT]
    subprocess.run(build, check=True)
    (wheel,) = folder.glob("actscope-*.whl")
    environment = folder / "environment"
    venv.create(environment, symlinks=True)
    site = sysconfig.get_path("purelib", "venv", {"base": str(environment)})
    # Of a folder named here, Python reads no .pth files: those lead to the checkout.
    Path(site, "dependencies.pth").write_text(sysconfig.get_path("purelib"))
    programs = environment / "bin"
    install = [*PIP, "--python", programs / "python", "install", "--no-deps", "--no-index"]
    subprocess.run([*install, "--ignore-installed", wheel], check=True)
    return programs


def output_of(program: Path, *words: str, folder: Path) -> str:
    done = subprocess.run(
        [program, *words], cwd=folder, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_packages_types_and_configuration_are_those_of_the_wheel(
    programs: Path, tmp_path: Path
) -> None:
    code = """
import actscope, hydra_plugins.actscope_launcher
from pathlib import Path
package = Path(actscope.__file__).parent
print(package, package / "py.typed", *hydra_plugins.actscope_launcher.__path__)
from actscope.project import CONF
print(CONF)
"""
    paths = output_of(programs / "python", "-c", code, folder=tmp_path).split()
    assert [path for path in paths if not Path(path).is_relative_to(programs.parent)] == []
    assert all(Path(path).exists() for path in paths)


def test_a_study_is_swept_and_reported_in_the_folder_where_it_is_called(
    programs: Path, tmp_path: Path
) -> None:
    actscope = programs / "actscope"
    output_of(actscope, "sweep", *GRID, folder=tmp_path)
    assert "2 finished" in output_of(actscope, "status", STUDY, folder=tmp_path)
    output_of(actscope, "report", STUDY, "report.processes=1", folder=tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"data", "mlruns", "outputs", "reports"}
    assert (tmp_path / "reports" / "installed" / "index.html").exists()


def test_a_newcomer_s_own_network_is_swept_reported_and_stale_after_an_edit(
    programs: Path, tmp_path: Path
) -> None:
    actscope = programs / "actscope"
    output_of(actscope, "init", "my_study", folder=tmp_path)
    folder = tmp_path / "my_study"
    # The worker is another process, which imports the network too.
    grid = ["lr=0.5", "seed=0", "train.epochs=1", "hydra.launcher.workers=1"]
    output_of(actscope, "sweep", "experiment=my_study", *grid, folder=folder)
    status = ["status", "study=my_study"]
    assert "# 2 finished" in output_of(actscope, *status, folder=folder)
    trajectories = list((folder / "mlruns" / "artifacts").rglob("trajectory.parquet"))
    assert len(trajectories) == 2
    for path in trajectories:  # channels of the convolutions, then features
        units = pd.read_parquet(path).groupby("layer")["unit"].nunique()
        assert units.to_dict() == {1: 8, 2: 16, 3: 32, 4: 10}
    output_of(actscope, "report", "study=my_study", "report.processes=1", folder=folder)
    table = pd.read_csv(folder / "reports" / "my_study" / "tables" / "units.csv")
    assert set(table["layer"]) == {1, 2, 3, 4}

    net = folder / "my_study" / "net.py"
    net.write_text(net.read_text().replace("MaxPool2d(2)", "AvgPool2d(2)"))
    said = output_of(actscope, *status, folder=folder)
    assert "2 stale. Changed since their training: model_code" in said


def test_the_version_is_shown(programs: Path, tmp_path: Path) -> None:
    said = output_of(programs / "actscope", "--version", folder=tmp_path)
    assert said == f"actscope {version('actscope')}\n"
