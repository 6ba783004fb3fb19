"""Load a study in a notebook or a script, as the tables of its report."""

import os
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass as plain_dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from tempfile import TemporaryDirectory
from weakref import finalize

import pandas as pd
from pydantic.dataclasses import dataclass

from actscope import tracking
from actscope.analysis import frames, histories
from actscope.analysis.frames import StudyRuns
from actscope.analysis.run_tables import read_run_table
from actscope.analysis.study_analysis import StudyAnalysis, analyse_stored
from actscope.config import Tracking
from actscope.credentials import hide
from actscope.errors import ConfigError
from actscope.parsing import parse
from actscope.setting_types import CLOSED, StudyName
from actscope.tracking import Store
from actscope.tracking.bundle.bundle import import_bundle

BUNDLE = ".zip"
TABLES_KEPT = 32  # trajectories and probes; recorded at every step, one may have 20 MB


@plain_dataclass(frozen=True, eq=False, repr=False)
class Study:
    """The runs of a study that its report counts, as tidy pandas tables.

    Large tables are read at first use. You may change a table: the next call returns it as it was
    read. Accuracies are fractions of 1.
    """

    store: Store
    chosen: StudyRuns

    @property
    def name(self) -> str:
        """The name of the study."""
        return self.chosen.study

    @property
    def runs(self) -> pd.DataFrame:
        """One row a finished run, the newest of its point."""
        return self.chosen.used.reset_index(drop=True)

    @property
    def left_out(self) -> pd.DataFrame:
        """One row a run that does not count; the column `why` gives the reason."""
        return self.chosen.left_out.reset_index(drop=True)

    @property
    def missing(self) -> pd.DataFrame:
        """The points of the grid without a finished run. Means leave them out."""
        return self.chosen.missing.copy(deep=False)

    @property
    def summary(self) -> pd.DataFrame:
        """One row a variant, activation and rate, of stats.summarise: outcomes and the metric."""
        return self.chosen.cells.copy(deep=False)

    @cached_property
    def analysis(self) -> StudyAnalysis:
        """The statistics of the report, as `analysis.comparisons` or `analysis.units.by_layer`.

        Do not change these tables: they are not copies.

        Raises:
            ReportError: at first use of a table, if a file of a run cannot be read.

        """
        return analyse_stored(self.store, self.chosen)

    @property
    def history(self) -> pd.DataFrame:
        """The histories of all `runs` in one table.

        Columns: `run_id`, `variant`, `activation`, `lr`, `seed`; `step` (minibatches done),
        `epoch`, `split` (`train` or `test`), `loss`, and `accuracy`; of an mse `r2` and `rmse`.

        Raises:
            ReportError: a file of a run cannot be read.

        """
        return self._history.copy(deep=False)

    def trajectory(self, run_id: str) -> pd.DataFrame:
        """The units of a run during training: one row a recorded step and unit.

        Columns: `step`, `layer` (from 1), `unit` (from 0), `weight_mean`, `bias`, `update_norm`,
        `active`.

        Raises:
            ConfigError: the study has no such run.
            ReportError: the run has no such file, or it cannot be read.

        """
        return self._table("trajectory", run_id)

    def probe(self, run_id: str) -> pd.DataFrame:
        """The units of a run on the probe set: one row a probe and unit.

        Columns: `step`, `layer`, `unit`; the shares of the probe set on which its slope is `zero`
        and `negligible`; `weight_norm`, the L2 length of its incoming weights.

        Raises:
            ConfigError: the study has no such run.
            ReportError: the run has no such file, or it cannot be read.

        """
        return self._table("probe", run_id)

    def layers(self, run_id: str) -> pd.DataFrame:
        """The layers of a run on 128 examples of the probe set: one row a probe and layer.

        Columns: `step`, `layer`, `mean_square`, `variance`, `cosine`, `rank`, `gradient`, `dead`;
        docs/dying.md defines them.

        Raises:
            ConfigError: the study has no such run.
            ReportError: the run has no such file, as it is older, or it cannot be read.

        """
        return self._table("layers", run_id)

    def __repr__(self) -> str:
        chosen = self.chosen
        return (
            f"<study {self.name}: {len(chosen.used)} runs, {len(chosen.left_out)} left out; "
            f"{len(chosen.missing)} of {chosen.grid_size} points missing>"
        )

    @cached_property
    def _history(self) -> pd.DataFrame:
        found = histories.read_histories(self.store, self.chosen)
        return pd.concat(found, ignore_index=True)

    def _table(self, name: str, run_id: str) -> pd.DataFrame:
        if run_id not in set(self.chosen.runs["run_id"]):
            raise ConfigError(f"run_id={run_id}: study {self.name} has no such run")
        return self._read(name, self.store, self.name, run_id).copy(deep=False)

    @cached_property
    def _read(self) -> Callable[..., pd.DataFrame]:
        return lru_cache(TABLES_KEPT)(read_run_table)


def load_study(name: str | Path, *, tracking_uri: str | None = None) -> Study:
    """Read a study from a store or from a bundle.

    A bundle is checked against its hashes and unpacked into a temporary folder. The folder is
    deleted with the Study. The runs of a bundle get a new `run_id` at each load.

    Args:
        name: a study, or the path of a bundle: a Path, or a text that ends in `.zip`.
        tracking_uri: the store of a study. The default is MLFLOW_TRACKING_URI, or the project's
            own store.

    Raises:
        ConfigError: the name or the URI is invalid, or a bundle is given together with a store.
        StoreError: the store cannot be read; MissingStudyError if it has no such study.
        BundleError: the bundle is damaged or not one of actscope.
        ReportError: no run of the study is finished.

    """
    if isinstance(name, Path) or name.endswith(BUNDLE):
        if tracking_uri is not None:
            raise ConfigError(
                f"tracking_uri={hide(tracking_uri)}: {name} is a bundle. Leave tracking_uri out."
            )
        return _unpacked(Path(name))
    uri = os.environ.get("MLFLOW_TRACKING_URI") if tracking_uri is None else tracking_uri
    asked = parse(_Asked, {"study": name, "tracking": {"uri": uri}})
    return _found_in(tracking.locate_store(asked.tracking), asked.study)


@dataclass(frozen=True, config=CLOSED)
class _Asked:
    study: StudyName
    tracking: Tracking


def _unpacked(bundle: Path) -> Study:
    with ExitStack() as until_it_is_read:
        folder = until_it_is_read.enter_context(TemporaryDirectory(prefix="actscope-"))
        settings = Tracking(f"sqlite:///{folder}/mlflow.db")
        manifest, _ = import_bundle(bundle, settings)
        study = _found_in(tracking.locate_store(settings), manifest.study)
        finalize(study, until_it_is_read.pop_all().close)
    return study


def _found_in(store: Store, name: str) -> Study:
    return Study(store, frames.read_study(store, name))
