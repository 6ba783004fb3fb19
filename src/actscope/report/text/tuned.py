"""Sentences about a tuned or searched study, computed from its tables."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pandas as pd

from actscope.analysis.factors import Factors, setting_text, short_name
from actscope.analysis.judged_study import JudgedStudy
from actscope.analysis.labels import number_range
from actscope.analysis.searched_study import SearchedStudy
from actscope.analysis.stats import INTERVAL
from actscope.analysis.tuned_tables import BASES, UNFINISHED
from actscope.report.text.study import join

NAMED = 3  # leaders that a sentence names with their leads


def answer(study: JudgedStudy) -> list[str]:
    """At most five sentences: who leads, where, what was lost, and how settings were searched."""
    if study.leads.empty:
        return [*_on_the_highest(study), _on_runs(study), *_on_the_search(study)]
    factors, leads = study.factors, study.leads
    panels = list(_panels(leads, factors))
    last = panels[-1]
    first = _on_leaders(_at_the_largest(last, factors), study)
    sentences = [f"{first[0].upper()}{first[1:]}"]
    if factors.axis is not None:
        sentences.append(_on_the_axis(last, factors.axis))
    if len(panels) > 1:
        sentences.append(_on_other_panels(panels[:-1], study))
    return [*sentences, _on_runs(study), *_on_the_search(study)]


def _at_the_largest(leads: pd.DataFrame, factors: Factors) -> pd.DataFrame:
    """The leads at the largest value of the axis."""
    if factors.axis is None:
        return leads
    is_largest: pd.Series[bool] = leads[factors.axis] == leads[factors.axis].max()
    return leads[is_largest]


def _on_leaders(leads: pd.DataFrame, study: JudgedStudy) -> str:
    where = setting_text(leads.iloc[0], study.factors.settings)
    start = f"With {where}, " if where else ""
    if not leads["rival"].any():
        cells = study.choices.merge(leads[study.factors.settings].drop_duplicates())
        return f"{start}{_without_rival(cells, study.bases)}"
    found, metric = leaders(leads).to_dict("records"), study.metric
    if not found:
        return f"{start}no activation has a lead over {study.rival} whose {INTERVAL} is above 0."
    named = [
        f"{row['activation']} by {metric.signed(row['mean'])}{metric.difference_behind} "
        f"({metric.signed(row['low'])} to {metric.signed(row['high'])})"
        for row in found[:NAMED]
    ]
    others = [row["activation"] for row in found[NAMED:]]
    less = f", and by less {join(others)}" if others else ""
    beat = f"{len(found)} of {len(leads)} activations beat {study.rival}"
    return f"{start}{beat}: {join(named)}{less}; in brackets the {INTERVAL}."


def _without_rival(cells: pd.DataFrame, bases: Sequence[str]) -> str:
    """Which activations have a rate where none of `bases` has one."""
    names = [str(name) for name in cells.loc[cells["lr"].notna(), "activation"]]
    others = f"{join(names)} {'has' if len(names) == 1 else 'have'}" if names else "no other has"
    neither = f"neither {' nor '.join(bases)} has a" if len(bases) > 1 else f"{bases[0]} has no"
    return f"{neither} rate at which no tuning run was lost, so there is no lead; {others} one."


def leaders(leads: pd.DataFrame) -> pd.DataFrame:
    """The rows whose interval is above 0, the largest lead first."""
    return leads[leads["low"] > 0].sort_values("mean", ascending=False, kind="stable")


def _on_the_axis(leads: pd.DataFrame, axis: str) -> str:
    """At which values of the axis each activation leads."""
    name, values = short_name(axis), sorted(set(leads[axis]))
    where: dict[str, list[str]] = {}
    for activation, own in leads.groupby("activation", sort=False):
        found = sorted(own.loc[own["low"] > 0, axis])
        where.setdefault(_range_text(found, values, name), []).append(str(activation))
    named = [f"{place} for {join(names)}" for place, names in where.items()]
    return f"The interval of the lead is above 0 {'; '.join(named)}."


def _range_text(found: Sequence[float], values: Sequence[float], name: str) -> str:
    """Where among the values those are that were found: `from depth 8 on`."""
    if not found:
        return f"at no {name}"
    if len(found) == len(values):
        return f"at every {name}"
    if len(found) > 1 and found == values[-len(found) :]:
        return f"from {name} {found[0]:g} on"
    return f"at {name} {join([f'{value:g}' for value in found])}"


def _on_other_panels(panels: Sequence[pd.DataFrame], study: JudgedStudy) -> str:
    """Who leads at the largest value of the axis with the other settings."""
    said, factors, metric = [], study.factors, study.metric
    for own in panels:
        at_largest = _at_the_largest(own, factors)
        found = leaders(at_largest).to_dict("records")
        named = [f"{row['activation']} {metric.signed(row['mean'])}" for row in found[:NAMED]]
        more = f", and {len(found) - NAMED} more" if len(found) > NAMED else ""
        where = setting_text(at_largest.iloc[0], [*factors.panel, *factors.names[:1]])
        whose = f": {join(named)}{metric.difference_behind}{more}" if found else ""
        said.append(f"with {where}, {len(found)} of {len(at_largest)} lead{whose}")
    text = "; ".join(said)
    return f"{text[0].upper()}{text[1:]}."


def _on_the_highest(study: JudgedStudy) -> Iterator[str]:
    """Without ReLU and LeakyReLU there are no leads: the best mean by validation."""
    metric = study.metric
    kept = study.choices[study.choices["lr"].notna()]
    if kept.empty:
        yield "No activation has a rate at which no tuning run was lost."
        return
    last = _at_the_largest(next(reversed(list(_panels(kept, study.factors)))), study.factors)
    up = not metric.is_smallest_best
    best = last.sort_values("validation", ascending=up, kind="stable").iloc[-1]
    where = setting_text(best, study.factors.settings)
    yield (
        f"{f'With {where}, ' if where else ''}{best['activation']} has the {metric.best_word} "
        f"validation {metric.words}, {metric.show(best['validation'])} (mean of {best['n']} runs)."
    )
    why = f"tuned only {join(study.bases)}" if study.bases else f"has neither {' nor '.join(BASES)}"
    yield f"The study {why}, so the report shows no leads."


def _panels(table: pd.DataFrame, factors: Factors) -> Iterator[pd.DataFrame]:
    return (own for _, own in table.groupby(factors.panel, sort=False))


def _on_runs(study: JudgedStudy) -> str:
    """How many runs judge, how many were lost, and which cells get no verdict."""
    judged = study.judged
    lost, runs = int(judged["lost"].sum()), int(judged["runs"].sum())
    flagged, cells = int((study.choices["flag"] != "").sum()), len(study.choices)
    return (
        f"Each mean is over n = {number_range(judged['learned'])} fresh seeds; {lost} of the "
        f"{runs:,} runs that judge were lost. No verdict: {flagged} of {cells} cells."
    )


def _on_the_search(study: JudgedStudy) -> Iterator[str]:
    """What was searched and how the trials ended, if the study was searched."""
    if not isinstance(study, SearchedStudy):
        return
    chosen = study.choices
    ended = join(
        [f"{number_range(chosen[state])} {state}" for state in ("finished", "pruned", "failed")]
    )
    yield (
        f"The settings were searched, not tried on a grid: each cell had "
        f"{number_range(chosen['trials'])} trials of {join(study.tuned)} ({ended})."
    )


def counts(study: JudgedStudy) -> list[tuple[str, str]]:
    """The numbers at the top of the page, each with its label."""
    chosen = study.choices
    if isinstance(study, SearchedStudy):
        trials = [
            (f"{len(study.trials):,}", "trials searched"),
            (f"{int(chosen['pruned'].sum()):,}", "trials pruned"),
            (f"{int(chosen['failed'].sum()):,}", "trials failed"),
        ]
    else:
        lost = int(study.trial_runs["validation"].isna().sum())
        trials = [(f"{len(study.trial_runs):,}", "trials"), (f"{lost:,}", "trials lost")]
    return [
        (str(len(chosen)), "cells"),
        (str(chosen["activation"].nunique()), "activations"),
        *trials,
        (f"{int(study.judged['runs'].sum()):,}", "runs that judge"),
        (str(int(study.judged["lost"].sum())), "of these lost"),
        (str(int((chosen["flag"] != "").sum())), "without a verdict"),
    ]


def flags(study: JudgedStudy) -> Iterator[str]:
    """A sentence for each flag: which cells have it."""
    for flag, own in study.choices[study.choices["flag"] != ""].groupby("flag", sort=False):
        cells = [_cell(row, study, " at ") for row in own.to_dict("records")]
        yield f"Not judged, “{flag}”: {'; '.join(cells)}."


def gaps(study: JudgedStudy) -> list[str]:
    """The cells whose choice or judgement is not complete, as lines."""
    unfinished = study.choices[study.choices["flag"] == UNFINISHED].to_dict("records")
    short = study.judged[study.judged["runs"] < study.judged["wanted"]].to_dict("records")
    return [
        *(f"{_cell(row, study)}: its rate is not chosen yet" for row in unfinished),
        *(
            f"{_cell(row, study)}, {row['rate']} rate: {row['runs']} of {row['wanted']} runs"
            for row in short
        ),
    ]


def _cell(row: Mapping[Any, Any], study: JudgedStudy, between: str = " ") -> str:
    """The activation of a cell and its settings, if it has any."""
    settings = setting_text(row, study.factors.settings)
    return between.join(filter(None, [str(row["activation"]), settings]))
