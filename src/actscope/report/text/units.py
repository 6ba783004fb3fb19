"""Sentences about the fates of a study's units."""

from collections.abc import Iterator, Mapping
from math import isnan
from typing import Any

import pandas as pd

from actscope.analysis.axis import MOST_PANELS, Axis
from actscope.analysis.unit_statistics import ALL_VALUES, INACTIVE, is_true
from actscope.analysis.units import Units
from actscope.report.text.study import join

NOT_RECORDED = (
    "No run here has a record of its units on the probe set: each is older than this record, or "
    "diverged."
)
DEFINITIONS = (
    "A hidden unit is dead if its slope is exactly zero on the whole probe set (1,000 training "
    "examples). It is saturated if its slope is under 0.001 on 99 % of the probe set, so a dead "
    "unit is also saturated. A unit is silent if no recorded step of the last tenth of training "
    "changed its weights by more than 0.00001 of their length. It is flat if its lines, drawn as "
    "in the article, look flat through the last tenth. Runs that diverged are left out. Units of "
    "one run are not independent, so each interval, in brackets, is a 95 % interval over seeds. "
    "With fewer than three seeds there is none. If all units or none are counted, each seed "
    "counts as one unit, and the interval is wide."
)


def in_words(units: Units) -> Iterator[list[str]]:
    """Paragraphs on each variant: which units die, how well flat lines show it, and the swing."""
    for variant, own in units.by_layer.groupby("variant", sort=False):
        fates = units.fates[units.fates["variant"] == variant]
        start = f"With {variant!s}: " if variant else ""
        inactive = start + _on_inactive(own[own["layer"] == 1], units.axis)
        flat = units.confusion[
            (units.confusion["variant"] == variant)
            & (units.confusion[units.axis.column] == ALL_VALUES)
        ]
        swing = units.swings[units.swings["variant"] == variant].iloc[-1].to_dict()
        others = [" ".join(_on_flat_lines(flat, fates)), _on_swings(swing)]
        yield [" ".join([inactive, *_on_revivals(fates)]), *others]


def notes(units: Units) -> list[str]:
    """Definitions, and the number of runs without a record."""
    said = [DEFINITIONS]
    if units.unrecorded:
        said.append(f"{units.unrecorded} older runs have no such record and are not counted here.")
    return said


def _on_inactive(layers: pd.DataFrame, axis: Axis) -> str:
    """On layer 1, by its saturated units: dead units are among them."""
    if axis.is_numeric and layers[axis.column].nunique() > MOST_PANELS:
        return _on_first_inactive(layers, axis)
    worst = layers.sort_values("saturated", ascending=False, kind="stable")
    some = worst[worst["saturated"] > 0]
    if some.empty:
        return "No unit of layer 1 ends dead or saturated."
    named = [_inactive_in_words(row, axis) for row in some.head(3).to_dict("records")]
    rest = some.iloc[3:]["saturated"]
    most = f"; in every other cell at most {100 * rest.max():.1f} %" if len(rest) else ""
    spared = len(worst) - len(some)
    none = f"; none in {spared} of {len(worst)} cells" if spared else ""
    return f"Share of layer 1's units that end dead or saturated: {join(named)}{most}{none}."


def _on_first_inactive(layers: pd.DataFrame, axis: Axis) -> str:
    """The same for many values: the smallest one at which most units end so."""
    begun = layers[layers["saturated"] > 0.5].sort_values(axis.column, kind="stable")
    firsts = begun.drop_duplicates("activation")
    named = [
        f"{axis.text(value)} with {join(own['activation'].tolist())}"
        for value, own in firsts.groupby(axis.column)
    ]
    begun_with = set(firsts["activation"])
    spared = [str(name) for name in layers["activation"].unique() if name not in begun_with]
    never = [f"no {axis.one} with {join(spared)}"] if spared else []
    return (
        f"The smallest {axis.one} at which more than half of layer 1's units end dead or "
        f"saturated: {'; '.join([*named, *never])}."
    )


def _inactive_in_words(row: dict[Any, Any], axis: Axis) -> str:
    where = f"with {row['activation']} at {axis.equals(row[axis.column])}"
    return f"{share_in_words(row, 'saturated')} {where}"


def share_in_words(row: Mapping[Any, Any], name: str) -> str:
    """`12.5 % (10.1 to 14.9 %)`; without an interval where there is none."""
    share, low, high = (100 * row[f"{name}{end}"] for end in ("", "_low", "_high"))
    return f"{share:.1f} %" + ("" if isnan(low) else f" ({low:.1f} to {high:.1f} %)")


def _on_revivals(fates: pd.DataFrame) -> Iterator[str]:
    hidden = fates[~fates["is_output"]]
    revived = int((hidden["revivals"] > 0).sum())
    if revived > 0:
        yield (
            f"Dead units can recover: {revived} of {len(hidden)} hidden units were dead at one "
            f"probe and alive at the next, {int(hidden['revivals'].sum())} times in total."
        )
    elif hidden["dead"].any():
        yield "No dead unit recovered."


def _on_flat_lines(confusion: pd.DataFrame, fates: pd.DataFrame) -> Iterator[str]:
    for row in confusion.to_dict("records"):
        flat, true = row["tp"] + row["fp"], row["tp"] + row["fn"]
        units, truth = f"{row['layers']} units", row["truth"]
        if flat == 0 and true == 0:
            yield f"No {row['layers']} unit is flat or {truth}."
            continue
        seen = f"Of the {flat} flat {units}, {share_in_words(row, 'precision')} are {truth}"
        found = f"of the {true} {units} that are {truth}, {share_in_words(row, 'recall')} are flat"
        seen = seen if flat else f"No {row['layers']} unit is flat"
        found = found if true else f"no {row['layers']} unit is {truth}"
        yield f"{seen}; {found}."
        if truth == INACTIVE and row["fp"] > 0:
            yield _on_false_alarms(fates)


def _on_false_alarms(fates: pd.DataFrame) -> str:
    false = fates[fates["flat"] & ~fates["is_output"] & ~is_true(fates, INACTIVE)]
    counts = false.groupby("activation", sort=False).size().sort_values(ascending=False)
    named = [f"{count} of {name}" for name, count in counts.items()]
    return f"Flat, but neither dead nor saturated: {join(named)}."


def _on_swings(row: Mapping[Any, Any]) -> str:
    if row["flat"] == 0:
        return "No unit of layer 1 went flat."
    swung = row["flat"] - row["from_start"]
    if swung == 0:
        return f"{row['flat']} units of layer 1 were flat from the first record on, and no others."
    unknown = (
        f" {row['from_start']} more were flat from the first record on."
        if row["from_start"]
        else ""
    )
    return (
        f"Of the {swung} units of layer 1 that went flat during training, "
        f"{share_in_words(row, 'weight')} had a lower mean weight by then than at their first "
        f"record, and {share_in_words(row, 'bias')} a lower bias.{unknown}"
    )
