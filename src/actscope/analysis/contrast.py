"""Chooses two runs of one activation and seed: at one rate units die, at a lower one they learn."""

import reprlib
from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import pandas as pd
from pydantic import BeforeValidator
from pydantic.dataclasses import dataclass as checked_dataclass

from actscope.analysis.frames import StudyRuns
from actscope.analysis.labels import activation_order, rate_text
from actscope.config import CLOSED, Count, Name, Rate
from actscope.errors import ConfigError, ReportError

GONE = "saturated"  # a dead unit is also saturated

Run = Mapping[Hashable, Any]  # a row of StudyRuns.runs


@dataclass(frozen=True)
class Contrast:
    """Two runs that differ in their rate alone: the one at the higher rate, and the other one."""

    higher: Run
    lower: Run


def _check_rates(rates: object) -> object:
    match rates:
        case None:
            return rates
        case [first, second] if first != second:
            return rates
    raise ValueError(
        f"film.rates={reprlib.repr(rates)}: give two different rates, as [0.001,0.01]."
    )


@checked_dataclass(frozen=True, config=CLOSED)
class Film:
    """The settings under `film`: what the choice must have, or None where it is free.

    `layer`: the hidden layer whose units are shown.
    """

    activation: Name | None = None
    rates: Annotated[tuple[Rate, ...] | None, BeforeValidator(_check_rates)] = None
    layer: Count = 1


def choose_contrast(runs: StudyRuns, seed: int, wanted: Film) -> Contrast:
    """The two runs of this seed that show best how units die.

    With given rates, these. Otherwise the failed run with the largest share of dead or saturated
    units, the lowest rate first among equals, and the largest lower rate at which all seeds of
    its activation and variant learned.

    Raises:
        ConfigError: the study has no such activation, or no runs at these rates.
        ReportError: no run of this seed failed above a rate at which all seeds learned.

    """
    used = runs.used
    if wanted.activation is not None:
        names = activation_order(used["activation"])
        used = used[used["activation"] == wanted.activation]
        if used.empty:
            raise ConfigError(
                f"film.activation={wanted.activation}: not in study {runs.study}. "
                f"Choose one of {', '.join(names)}."
            )
    own = _by_share_gone(runs, used[used["seed"] == seed], wanted.layer)
    if wanted.rates is not None:
        return _at_rates(runs.study, own, wanted.rates, seed)
    for contrast in _of_failed(own, runs.cells):
        return contrast
    what = "" if wanted.activation is None else f" with {wanted.activation}"
    raise ReportError(
        f"study={runs.study}: no run of seed {seed}{what} lost units of layer {wanted.layer} and "
        "failed, above a rate at which all seeds learned. Give film.rates=[A,B], or another "
        "report.seed."
    )


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
