"""The fates of a study's units: which are dead, saturated, silent or flat at the end of each run.

artifacts.unit_fates defines the fates. unit_statistics counts them. Runs that diverged are left
out: their units end in mid-training.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple

import pandas as pd
from pydantic import TypeAdapter, ValidationError

from actscope.analysis import unit_statistics
from actscope.analysis.axis import RATE, Axis
from actscope.analysis.frames import StudyRuns, averaged
from actscope.analysis.run_tables import (
    UnreadableRunError,
    read_each_run,
    read_probe_of,
    read_run_table,
    stack_tables,
)
from actscope.artifacts.unit_fates import SATURATED_SHARE, Records, unit_fates
from actscope.tracking import Store


class RunUnits(NamedTuple):
    """The units of one run: `fates` and `inactive` as in Units, without the run's own columns."""

    fates: pd.DataFrame
    inactive: pd.DataFrame


@dataclass(frozen=True, eq=False)
class Units:
    """The units of a study.

    `fates`: one row a unit: `axis.point`, `run_id`, `is_output`, and the columns of
    unit_fates.unit_fates. `inactive`: one row a run and probed step: `axis.point`, `run_id`,
    `step`, and the number of layer 1's `units` and of its `inactive` ones, dead or saturated.
    `unrecorded`: the number of runs that did not diverge and have no probes. `layer_names`: of
    user's own networks, by variant, value of the axis and layer.
    """

    fates: pd.DataFrame
    inactive: pd.DataFrame
    unrecorded: int
    layer_names: Mapping[tuple[str, Any, int], str] = field(default_factory=dict)
    axis: Axis = RATE

    @cached_property
    def by_layer(self) -> pd.DataFrame:
        """Of unit_statistics.by_layer; with `layer_name` if a layer has a name."""
        table = unit_statistics.by_layer(self.fates, self.axis)
        if not self.layer_names:
            return table
        layers = zip(table["variant"], table[self.axis.column], table["layer"], strict=True)
        return table.assign(layer_name=[self.layer_names.get(layer, "") for layer in layers])

    @cached_property
    def inactive_by_step(self) -> pd.DataFrame:
        return unit_statistics.inactive_by_step(self.inactive, self.axis)

    @cached_property
    def confusion(self) -> pd.DataFrame:
        return unit_statistics.confusion(self.fates, self.axis)

    @cached_property
    def swings(self) -> pd.DataFrame:
        return unit_statistics.swings(self.fates, self.axis)


def probed(runs: StudyRuns) -> pd.DataFrame:
    """The used runs that did not diverge and have probes."""
    finished = averaged(runs)
    has_probe = runs.unit_shares.loc[finished["run_id"]].notna().any(axis=1)
    return finished[has_probe.to_numpy()]


def read_units(store: Store, runs: StudyRuns) -> Units:
    """Read the units of `probed(runs)`.

    Raises:
        UnreadableRunError: a file of a run cannot be read.

    """
    by_run = read_each_run(store, runs.study, ["trajectory", "probe"], _read, probed(runs))
    return gather_units(runs, [by_run[run_id] for run_id in probed(runs)["run_id"]])


def _read(store: Store, study: str, run_id: str) -> RunUnits:
    trajectory = read_run_table("trajectory", store, study, run_id)
    return read_run_units(trajectory, store, study, run_id)


def read_run_units(trajectory: pd.DataFrame, store: Store, study: str, run_id: str) -> RunUnits:
    """Read the probe of one of `probed(runs)` and find the fates of its units.

    Raises:
        UnreadableRunError: its probe cannot be read, or nothing is recorded.

    """
    probe = read_probe_of(trajectory, store, study, run_id)
    if trajectory.empty or probe.empty:
        reason = "trajectory.parquet or probe.parquet has no rows"
        raise UnreadableRunError(study, run_id, reason)
    fates = unit_fates(trajectory, probe)
    is_output = fates["layer"] == fates["layer"].max()
    return RunUnits(fates.assign(is_output=is_output), inactive_units(probe))


def inactive_units(probe: pd.DataFrame) -> pd.DataFrame:
    """Columns `step`, `units` of layer 1, and `inactive`, those that are dead or saturated then."""
    records = Records.of(probe)
    zero, negligible = records.column("zero", 1), records.column("negligible", 1)
    is_inactive = (zero == 1) | (negligible >= SATURATED_SHARE)
    counts = {"units": is_inactive.shape[1], "inactive": is_inactive.sum(axis=1)}
    return pd.DataFrame({"step": records.steps, **counts})


def gather_units(runs: StudyRuns, by_run: Sequence[RunUnits]) -> Units:
    """The units of a study, from those of each of `probed(runs)`."""
    found = probed(runs)
    point = found[[*runs.axis.point, "run_id"]]
    return Units(
        fates=stack_tables(point, [own.fates for own in by_run]),
        inactive=stack_tables(point, [own.inactive for own in by_run]),
        unrecorded=len(averaged(runs)) - len(found),
        layer_names=layer_names(runs),
        axis=runs.axis,
    )


def layer_names(runs: StudyRuns) -> dict[tuple[str, Any, int], str]:
    """Names of the layers of users' own networks, by variant, value of the axis and number."""
    names, of_run = names_by_run(runs), ["run_id", "variant", runs.axis.column]
    return {
        (variant, value, number): name
        for run_id, variant, value in runs.used[of_run].itertuples(index=False)
        for number, name in enumerate(names.get(run_id, []), 1)
    }


def names_by_run(runs: StudyRuns) -> dict[str, list[str]]:
    """Names of the layers of runs with a user's own network, by run id.

    A tag that was edited names no layer.
    """
    if "layers" not in runs.found:
        return {}
    tags = runs.found.set_index("run_id")["layers"].dropna()
    return {str(run_id): _names_in(tag) for run_id, tag in tags.items()}


def _names_in(tag: str) -> list[str]:
    try:
        return TypeAdapter(list[str]).validate_json(tag, strict=True)
    except ValidationError:
        return []
