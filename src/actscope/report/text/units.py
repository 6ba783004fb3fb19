"""What has become of a study's units, in plain sentences."""

from collections.abc import Iterator
from typing import Any

import pandas as pd

from actscope.analysis.edge import MOST_PANELS
from actscope.analysis.labels import rate_text
from actscope.analysis.unit_statistics import ALL_RATES, INACTIVE, is_true
from actscope.analysis.units import Units
from actscope.report.text.study import join

NOT_RECORDED = (
    "None of the runs counted here carries a record of its units on the probe set: they are older "
    "than it, or all diverged."
)
DEFINITIONS = (
    "A hidden unit is dead when its slope is exactly zero on the whole probe set, 1,000 "
    "training images, and saturated when it is negligible (under 0.001) on 99 % of it: a dead "
    "unit is saturated, too. A unit is silent when no step of the last tenth changed its "
    "weights by more than 0.00001 of their length, and flat when its lines, drawn as in the "
    "article, look flat through the last tenth. Runs that diverged are left out. Units of one "
    "run are not independent: where they are counted together, the interval is too narrow, "
    "and the mean over the runs stands beside it."
)


def in_words(units: Units) -> Iterator[list[str]]:
    """Paragraphs on each variant: which units die, how well flat lines show it, and the swing."""
    for variant, own in units.by_layer.groupby("variant", sort=False):
        fates = units.fates[units.fates["variant"] == variant]
        start = f"With {variant!s}: " if variant else ""
        inactive = start + _on_inactive(own[own["layer"] == 1])
        flat = units.confusion[
            (units.confusion["variant"] == variant) & (units.confusion["lr"] == ALL_RATES)
        ]
        swing = units.swings[units.swings["variant"] == variant].iloc[-1]
        others = [" ".join(_on_flat_lines(flat[flat["lr"] == ALL_RATES], fates)), _on_swings(swing)]
        yield [" ".join([inactive, *_on_revivals(fates)]), *others]


def notes(units: Units) -> list[str]:
    """What a reader must know of how the numbers came about."""
    said = [DEFINITIONS]
    if units.unrecorded:
        said.append(f"Not recorded, and not counted here: {units.unrecorded} older runs.")
    return said


def _on_inactive(layers: pd.DataFrame) -> str:
    """On layer 1, by what is saturated: a dead unit is saturated too."""
    if layers["lr"].nunique() > MOST_PANELS:
        return _on_first_inactive(layers)
    worst = layers.sort_values("saturated_mean", ascending=False, kind="stable")
    some = worst[worst["saturated_mean"] > 0]
    if some.empty:
        return "No unit of layer 1 ends dead or saturated."
    named = [_inactive_in_words(row) for row in some.head(3).to_dict("records")]
    rest = some.iloc[3:]["saturated_mean"]
    most = f"; in every other cell at most {100 * rest.max():.1f} %" if len(rest) else ""
    spared = len(worst) - len(some)
    none = f"; in {spared} of {len(worst)} cells none" if spared else ""
    return f"Of layer 1's units there end dead or saturated: {join(named)}{most}{none}."


def _on_first_inactive(layers: pd.DataFrame) -> str:
    """The same where the rates are many: where it begins."""
    begun = layers[layers["saturated_mean"] > 0.5].sort_values("lr", kind="stable")
    firsts = begun.drop_duplicates("activation")
    named = [
        f"at {rate_text(own['lr'].iloc[0])} with {join(own['activation'].tolist())}"
        for _, own in firsts.groupby("lr")
    ]
    begun_with = set(firsts["activation"])
    spared = [str(name) for name in layers["activation"].unique() if name not in begun_with]
    never = [f"at no rate with {join(spared)}"] if spared else []
    return (
        "The smallest rate at which more than half of layer 1's units end dead or saturated: "
        f"{'; '.join([*named, *never])}."
    )


def _inactive_in_words(row: dict[Any, Any]) -> str:
    where = f"with {row['activation']} at lr = {rate_text(row['lr'])}"
    return f"{100 * row['saturated_mean']:.1f} % {where} ({_share_interval(row, 'saturated')})"


def _share_interval(row: dict[Any, Any], fate: str) -> str:
    """How sure the mean of a share is."""
    if row["n"] == 1:
        return "one run, so no interval"
    low, high = row[f"{fate}_low"], row[f"{fate}_high"]
    return f"{100 * low:.1f} to {100 * high:.1f} %, n = {row['n']}"


def _on_revivals(fates: pd.DataFrame) -> Iterator[str]:
    hidden = fates[~fates["is_output"]]
    revived = int((hidden["revivals"] > 0).sum())
    if revived > 0:
        yield (
            f"Death is not always the end: {revived} of {len(hidden)} hidden units were dead at "
            f"one probe and alive at the next, {int(hidden['revivals'].sum())} times in all."
        )
    elif hidden["dead"].any():
        yield "No dead unit ever came back."


def _on_flat_lines(confusion: pd.DataFrame, fates: pd.DataFrame) -> Iterator[str]:
    for row in confusion.to_dict("records"):
        flat, true = row["tp"] + row["fp"], row["tp"] + row["fn"]
        units, truth = f"{row['layers']} units", row["truth"]
        if flat == 0 and true == 0:
            yield f"None of the {units} is flat, and none {truth}."
            continue
        seen = f"{100 * row['precision']:.1f} % are {truth}" if flat else "nothing can be said"
        found = f"of the {true} that are {truth}, {100 * row['recall']:.1f} % are flat"
        yield f"Of the {flat} flat {units} {seen}; {found if true else f'none at all is {truth}'}."
        if truth == INACTIVE and row["fp"] > 0:
            yield _on_false_alarms(fates)


def _on_false_alarms(fates: pd.DataFrame) -> str:
    false = fates[fates["flat"] & ~fates["is_output"] & ~is_true(fates, INACTIVE)]
    counts = false.groupby("activation", sort=False).size().sort_values(ascending=False)
    named = [f"{count} of {name}" for name, count in counts.items()]
    return f"Flat without being so: {join(named)}."


def _on_swings(row: "pd.Series[Any]") -> str:
    if row["flat"] == 0:
        return "No unit of layer 1 went flat, so there is no swing to tell of."
    swung = row["flat"] - row["from_start"]
    unknown = (
        f" {row['from_start']} more were flat from the first record on: what they did before is "
        "not recorded."
        if row["from_start"]
        else ""
    )
    if swung == 0:
        return f"No unit of layer 1 went flat before our eyes.{unknown}"
    return (
        f"Of the {swung} units of layer 1 that went flat in the course of the record, "
        f"{100 * row['weight']:.1f} % had by then moved to the negative side by their mean weight, "
        f"{100 * row['bias']:.1f} % by their bias.{unknown}"
    )
