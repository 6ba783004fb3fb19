"""Sentences about a tuned study, computed from its tables."""

from collections.abc import Iterator, Sequence

import pandas as pd

from actscope.analysis.factors import Factors, setting_text, short_name
from actscope.analysis.stats import INTERVAL
from actscope.analysis.tuned_study import TunedStudy
from actscope.analysis.tuned_tables import BASES, UNFINISHED
from actscope.report.text.study import join

RIVAL = "the better of relu and leaky_relu"


def answer(study: TunedStudy) -> list[str]:
    """At most four sentences: who leads, at which depths, with which epochs, and what was lost."""
    if study.leads.empty:
        return [*_on_the_highest(study), _on_runs(study)]
    factors, leads = study.factors, study.leads
    panels = [own for _, own in leads.groupby(factors.panel, sort=False)]
    last = panels[-1]
    sentences = [_on_leaders(_at_the_largest(last, factors), factors)]
    if factors.axis is not None:
        sentences.append(_on_the_axis(last, factors.axis))
    if len(panels) > 1:
        sentences.append(_on_other_panels(panels[:-1], factors))
    return [*sentences, _on_runs(study)]


def _at_the_largest(leads: pd.DataFrame, factors: Factors) -> pd.DataFrame:
    """The leads at the largest value of the axis."""
    if factors.axis is None:
        return leads
    return leads[leads[factors.axis] == leads[factors.axis].max()]


def _on_leaders(leads: pd.DataFrame, factors: Factors) -> str:
    where = setting_text(leads.iloc[0], factors.settings)
    start = f"With {where}, " if where else ""
    if not leads["rival"].any():
        return (
            f"{start}neither {' nor '.join(BASES)} has a rate at which every tuning run learned, "
            "so there is no lead."
        )
    found = leaders(leads)
    if found.empty:
        return f"{start}no activation has a lead over {RIVAL} whose {INTERVAL} is above 0."
    named = [
        f"{row['activation']} by {_points(row['mean'])} points "
        f"({_points(row['low'])} to {_points(row['high'])})"
        for row in found.to_dict("records")
    ]
    verb = "leads" if len(named) == 1 else "lead"
    return f"{start}{join(named)} {verb} {RIVAL}; in brackets the {INTERVAL}."


def leaders(leads: pd.DataFrame) -> pd.DataFrame:
    """The rows whose interval is above 0, the largest lead first."""
    return leads[leads["low"] > 0].sort_values("mean", ascending=False, kind="stable")


def _on_the_axis(leads: pd.DataFrame, axis: str) -> str:
    """At which values of the axis each activation leads."""
    name = short_name(axis)
    above = leads[leads["low"] > 0]
    named = [
        f"{activation} at {join([f'{value:g}' for value in own[axis]])}"
        for activation, own in above.groupby("activation", sort=False)
    ]
    values = sorted(set(leads[axis]))
    if not named:
        return f"No lead is above 0 at any {name} from {values[0]:g} to {values[-1]:g}."
    spared = [each for each in leads["activation"].unique() if each not in set(above["activation"])]
    never = f"; {join(spared)} at none" if spared else ""
    return f"Over {name} the lead's interval is above 0 for {'; '.join(named)}{never}."


def _on_other_panels(panels: Sequence[pd.DataFrame], factors: Factors) -> str:
    """Who leads at the largest value of the axis with the other settings."""
    said = []
    for own in panels:
        found = leaders(_at_the_largest(own, factors))
        named = [
            f"{row['activation']} by {_points(row['mean'])}" for row in found.to_dict("records")
        ]
        where = setting_text(own.iloc[0], factors.panel)
        said.append(f"with {where} {join(named) if named else 'nobody'}")
    largest = _at_the_largest(panels[-1], factors)
    at = "" if factors.axis is None else f" at {setting_text(largest.iloc[0], [factors.axis])}"
    return f"Otherwise the leaders{at} are: {'; '.join(said)} points."


def _on_the_highest(study: TunedStudy) -> Iterator[str]:
    """Without ReLU and LeakyReLU there are no leads: the highest mean by validation."""
    kept = study.choices[study.choices["lr"].notna()]
    if kept.empty:
        yield "No activation has a rate at which every tuning run learned."
        return
    last = _at_the_largest(next(reversed(list(_panels(kept, study.factors)))), study.factors)
    best = last.loc[last["validation"].idxmax()]
    where = setting_text(best, study.factors.settings)
    yield (
        f"{f'With {where}, ' if where else ''}{best['activation']} has the highest validation "
        f"accuracy, {100 * best['validation']:.2f} % (mean of {best['n']} runs)."
    )
    yield f"The study has neither {' nor '.join(BASES)}, so the report shows no leads."


def _panels(table: pd.DataFrame, factors: Factors) -> Iterator[pd.DataFrame]:
    return (own for _, own in table.groupby(factors.panel, sort=False))


def _on_runs(study: TunedStudy) -> str:
    """How many runs judge, how many were lost, and which cells get no verdict."""
    judged = study.judged
    lost, runs = int(judged["lost"].sum()), int(judged["runs"].sum())
    n = judged["runs"]
    each = f"{n.min()}" if n.nunique() <= 1 else f"{n.min()} to {n.max()}"
    said = f"Each mean is of up to {each} runs with fresh seeds; {lost} of the {runs:,} were lost"
    flagged = study.choices[study.choices["flag"] != ""]
    if flagged.empty:
        return f"{said}, and every cell has a verdict."
    return f"{said}, and {len(flagged)} of {len(study.choices)} cells have no verdict."


def _points(difference: float) -> str:
    return f"{100 * difference:+.2f}"


def counts(study: TunedStudy) -> list[tuple[str, str]]:
    """The numbers at the top of the page, each with its label."""
    chosen = study.choices
    return [
        (str(len(chosen)), "cells"),
        (str(chosen["activation"].nunique()), "activations"),
        (f"{len(study.trials):,}", "trials"),
        (f"{int(study.trials['validation'].isna().sum()):,}", "trials lost"),
        (f"{int(study.judged['runs'].sum()):,}", "runs that judge"),
        (str(int(study.judged["lost"].sum())), "of these lost"),
        (str(int((chosen["flag"] != "").sum())), "cells without a verdict"),
    ]


def flags(study: TunedStudy) -> Iterator[str]:
    """A sentence for each flag: which cells have it."""
    for flag, own in study.choices[study.choices["flag"] != ""].groupby("flag", sort=False):
        cells = [
            " at ".join(
                text
                for text in (row["activation"], setting_text(row, study.factors.settings))
                if text
            )
            for row in own.to_dict("records")
        ]
        yield f"No verdict, “{flag}”: {'; '.join(cells)}."


def gaps(study: TunedStudy) -> list[str]:
    """The cells whose choice or judgement is not complete, as lines."""
    names = [*study.factors.settings, "activation"]
    lines = []
    for row in study.choices[study.choices["flag"] == UNFINISHED].to_dict("records"):
        where = setting_text(row, names[:-1])
        lines.append(f"{row['activation']} {where}: its rate is not chosen yet".replace("  ", " "))
    short = study.judged[study.judged["runs"] < study.judged["wanted"]]
    for row in short.to_dict("records"):
        where = " ".join(
            text for text in (row["activation"], setting_text(row, names[:-1])) if text
        )
        lines.append(f"{where}, {row['rate']} rate: {row['runs']} of {row['wanted']} runs")
    return lines
