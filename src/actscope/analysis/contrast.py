"""Chooses two runs of one activation and seed: at one rate units die, at a lower one they learn."""

from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from actscope.analysis.frames import StudyRuns
from actscope.analysis.labels import activation_order, rate_text
from actscope.errors import ConfigError, ReportError

GONE = "saturated"  # a dead unit is also saturated

Run = Mapping[Hashable, Any]  # a row of StudyRuns.runs


@dataclass(frozen=True)
class Contrast:
    """Two runs that differ in their rate alone: the one at the higher rate, and the other one."""

    higher: Run
    lower: Run


def choose_contrast(
    runs: StudyRuns,
    seed: int,
    *,
    activation: str | None = None,
    rates: Sequence[float] | None = None,
    layer: int = 1,
) -> Contrast:
    """The two runs of this seed that show best how units of a layer die.

    With two given `rates`, these. Otherwise the failed run with the largest share of dead or
    saturated units, the lowest rate first among equals, and the largest lower rate at which all
    seeds of its activation and variant learned.

    Raises:
        ConfigError: the study has no such activation, or no runs at these rates.
        ReportError: no run of this seed failed above a rate at which all seeds learned.

    """
    used = _of_activation(runs, activation)
    own = _by_share_gone(runs, used[used["seed"] == seed], layer)
    if rates is not None:
        return _at_rates(runs.study, own, rates, seed)
    for contrast in _of_failed(own, runs.cells):
        return contrast
    what = "" if activation is None else f" with {activation}"
    raise ReportError(
        f"study={runs.study}: no run of seed {seed}{what} lost units of layer {layer} and failed, "
        "above a rate at which all seeds learned. Give film.rates=[A,B], or another report.seed."
    )


def _of_activation(runs: StudyRuns, activation: str | None) -> pd.DataFrame:
    """The used runs, or those of an activation."""
    names = activation_order(runs.used["activation"])
    if activation is None:
        return runs.used
    if activation not in names:
        raise ConfigError(
            f"film.activation={activation}: not in study {runs.study}. "
            f"Choose one of {', '.join(names)}."
        )
    own: pd.DataFrame = runs.used[runs.used["activation"] == activation]
    return own


def _by_share_gone(runs: StudyRuns, own: pd.DataFrame, layer: int) -> pd.DataFrame:
    """These runs with their share of units `gone`, the largest first; NaN if it is unknown."""
    shares = runs.unit_shares.reindex(columns=[f"{GONE}/layer{layer}"]).loc[own["run_id"]]
    ranked = own.assign(gone=shares.to_numpy())
    return ranked.sort_values(["gone", "lr"], ascending=[False, True], kind="stable")


def _of_failed(own: pd.DataFrame, cells: pd.DataFrame) -> Iterator[Contrast]:
    for failed in own[(own["outcome"] == "failed") & (own["gone"] > 0)].to_dict("records"):
        alike = _alike(own, failed)
        safe = cells[(cells["learned"] == cells["runs"]) & (cells["lr"] < failed["lr"])]
        rates = alike["lr"].isin(_alike(safe, failed)["lr"])
        if rates.any():
            yield Contrast(failed, _row(alike[rates].sort_values("lr").tail(1)))


def _at_rates(study: str, own: pd.DataFrame, rates: Sequence[float], seed: int) -> Contrast:
    low, high = sorted(rates)
    for run in own[own["lr"] == high].to_dict("records"):
        other = _alike(own[own["lr"] == low], run)
        if len(other):
            return Contrast(run, _row(other))
    there = ", ".join(rate_text(lr) for lr in sorted(set(own["lr"])))
    given = ",".join(rate_text(lr) for lr in rates)
    raise ConfigError(
        f"film.rates=[{given}]: study {study} has no activation with finished runs of seed {seed} "
        f"at both. Choose two of {there}."
    )


def _alike(rows: pd.DataFrame, run: Run) -> pd.DataFrame:
    """The rows of the run's activation and variant."""
    is_alike = (rows["activation"] == run["activation"]) & (rows["variant"] == run["variant"])
    alike: pd.DataFrame = rows[is_alike]
    return alike


def _row(rows: pd.DataFrame) -> Run:
    return rows.to_dict("records")[0]
