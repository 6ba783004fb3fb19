"""Which units die, and when: the training's own evidence beside what the eye reads off a line.

actscope.dying defines the verdicts. Here they are counted: a share is a mean over runs, with its
95 % t-interval; runs that diverged are left out, for their units end in the middle of something.
"""

# S seeds, T probed steps

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from scipy import stats as scipy_stats

from actscope import tracking
from actscope.dying import NEVER, SATURATED_SHARE, VERDICTS, Records, shares, unit_fates
from actscope.report.answer import join
from actscope.report.frames import (
    POINT,
    StudyRuns,
    averaged,
    one_under_another,
    rate_text,
    read_each,
    read_run_file,
)
from actscope.report.stats import CELL, CONFIDENCE, Estimate, estimate
from actscope.report.tables import DASH, Table
from actscope.tracking import Store

HIDDEN_ONLY = ["dead", "saturated"]  # verdicts about an activation, which the output layer has none
GONE = "dead or saturated"
ALL_RATES = "all"

MOST_PANELS = 5

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
LAYERS_SHOWN = (
    "Of several hidden layers the first and the last are shown; the output layer, which has no "
    "activation to die, where any of its units is silent or flat."
)
RATES_SHOWN = "Of many rates five are shown, from the smallest to the largest."

# What a flat line is held against, and in which layers.
COMPARISONS = [("hidden", GONE), ("hidden", "silent"), ("output", "silent")]


@dataclass(frozen=True, eq=False)
class Units:
    """What has become of the units of a study.

    `shares`: one row a run and layer: POINT, `run_id`, `layer`, `is_output`, and of each verdict
    the share of the layer's units. `fates`: one row a unit: POINT, `run_id`, `is_output`, and the
    columns of dying.unit_fates. `gone`: one row a run and probed step: POINT, `run_id`, `step`, and
    `gone`, the share of layer 1 that is dead or saturated. `unrecorded`: how many runs, beside
    those that diverged, carry no probes.
    """

    shares: pd.DataFrame
    fates: pd.DataFrame
    gone: pd.DataFrame
    unrecorded: int

    @cached_property
    def eye(self) -> pd.DataFrame:
        return confusion(self.fates)

    @cached_property
    def swings(self) -> pd.DataFrame:
        return swings(self.fates)


class Judged(NamedTuple):
    """What has become of the units of one run: `fates` and `gone` of Units, without the run."""

    fates: pd.DataFrame
    gone: pd.DataFrame


def judge(trajectory: pd.DataFrame, probe: pd.DataFrame) -> Judged:
    fates = unit_fates(trajectory, probe)
    is_output = fates["layer"] == fates["layer"].max()
    return Judged(fates.assign(is_output=is_output), gone_by_step(probe))


def probed(runs: StudyRuns) -> pd.DataFrame:
    """The runs that are used, did not diverge and carry probes."""
    finished = averaged(runs)
    # The units of a run that diverged end in the middle of something.
    has_probe = runs.unit_shares.loc[finished["run_id"]].notna().any(axis=1)
    return finished[has_probe.to_numpy()]


def read_units(store: Store, runs: StudyRuns) -> Units:
    """Look at the units of `probed(runs)`.

    Raises:
        ReportError: a file of a run cannot be read.

    """
    found = probed(runs)
    judged = read_each(store, runs.study, ["trajectory", "probe"], _read_judged, found)
    return gather_units(runs, [judged[run_id] for run_id in found["run_id"]])


def _read_judged(store: Store, study: str, run_id: str) -> Judged:
    trajectory = read_run_file(tracking.read_trajectory, store, study, run_id)
    return judge(trajectory, read_run_file(tracking.read_probe, store, study, run_id))


def gather_units(runs: StudyRuns, judged: Sequence[Judged]) -> Units:
    """The units of a study, from what is judged of each of `probed(runs)`."""
    found = probed(runs)
    about = found[[*POINT, "run_id"]]
    by_run = {
        run_id: shares(own.fates) for run_id, own in zip(about["run_id"], judged, strict=True)
    }
    return Units(
        shares=share_rows(found, by_run),
        fates=one_under_another(about, [own.fates for own in judged]),
        gone=one_under_another(about, [own.gone for own in judged]),
        unrecorded=len(averaged(runs)) - len(found),
    )


def gone_by_step(probe: pd.DataFrame) -> pd.DataFrame:
    """Columns `step` and `gone`, the share of layer 1's units that are dead or saturated at it."""
    looks = Records.of(probe)
    zero, negligible = looks.column("zero", 1), looks.column("negligible", 1)
    is_gone = (zero == 1) | (negligible >= SATURATED_SHARE)
    return pd.DataFrame({"step": looks.steps, "gone": is_gone.mean(axis=1)})


def share_rows(runs: pd.DataFrame, by_run: dict[str, dict[str, float]]) -> pd.DataFrame:
    """Units.shares, from the metrics `dead/layer1` and so on of each run, by its id."""
    rows = []
    for run in runs.to_dict("records"):
        found = by_run[run["run_id"]]
        layers = sorted({int(name.rpartition("layer")[2]) for name in found})
        rows += [
            {
                **{key: run[key] for key in [*POINT, "run_id"]},
                "layer": layer,
                "is_output": layer == layers[-1],
                **{verdict: found[f"{verdict}/layer{layer}"] for verdict in VERDICTS},
            }
            for layer in layers
        ]
    return pd.DataFrame(rows)


# --- how many, and since when -------------------------------------------------------------------


def by_layer(units: Units) -> pd.DataFrame:
    """One row a cell and layer, in the order of the runs.

    Columns: those of CELL, `layer`, `is_output`, `n` (runs); for each verdict v the share of the
    units over the runs, `v_mean`, `v_sd`, `v_low` and `v_high`, and `v_onset`, the median step
    since when, over the units of all the runs of which it holds; `revivals`, how often a dead unit
    came back, in all. NaN is what is not there: a dead unit in the output layer, the interval of a
    single run, the onset of what never began.
    """
    rows: list[dict[str, Any]] = []
    fates_of = dict(iter(units.fates.groupby([*CELL, "layer"], sort=False)))
    for key, runs in units.shares.groupby([*CELL, "layer"], sort=False):
        assert isinstance(key, tuple)
        fates = fates_of[key]
        is_output = bool(runs["is_output"].iloc[0])
        row = {**dict(zip([*CELL, "layer"], key, strict=True)), "is_output": is_output}
        row["n"] = len(runs)
        for verdict in VERDICTS:
            is_known = not (is_output and verdict in HIDDEN_ONLY)
            found = estimate(runs[verdict].to_numpy(dtype=float)[: None if is_known else 0])
            row |= _columns(verdict, found) | {f"{verdict}_onset": _onset(fates, verdict)}
        row["revivals"] = np.nan if is_output else fates["revivals"].sum()
        rows.append(row)
    return pd.DataFrame(rows)


def _onset(fates: pd.DataFrame, verdict: str) -> float:
    since = fates.loc[fates[verdict], f"{verdict}_since"]
    return float(since[since != NEVER].median()) if (since != NEVER).any() else float("nan")


def gone_curves(gone: pd.DataFrame) -> pd.DataFrame:
    """One row a cell and probed step: CELL, `step`, `n`, `mean`, `low` and `high` of `gone`."""
    parts = []
    for key, rows in gone.groupby(CELL, sort=False):
        assert isinstance(key, tuple)
        table = rows.pivot(index="seed", columns="step", values="gone")  # noqa: PD010 - no mean
        found = estimate(table.to_numpy(dtype=float))  # [S, T]
        part = pd.DataFrame({"step": table.columns, "n": found.n, "mean": found.mean})
        part = part.assign(low=found.low, high=found.high)
        parts.append(part.assign(**dict[str, Any](zip(CELL, key, strict=True))))
    return pd.concat(parts, ignore_index=True)


# --- the eye against the evidence ---------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Proportion:
    """A share of some units: of those of all runs together, and as a mean over the runs.

    `low` and `high` are the 95 % interval of Wilson (1927) of `hits` out of `total`; it takes units
    for independent, which those of one run are not. `runs` is the mean of the shares of the runs
    that have any such unit. All are NaN where none has.
    """

    hits: int
    total: int
    share: float
    low: float
    high: float
    runs: Estimate


def proportion(is_hit: "pd.Series[bool]", run_ids: "pd.Series[str]") -> Proportion:
    """Share of true values, for units of these runs."""
    hits, total = int(is_hit.sum()), len(is_hit)
    by_run = estimate(np.asarray(is_hit.astype(float).groupby(run_ids).mean(), dtype=np.float64))
    if total == 0:
        unknown = float("nan")
        return Proportion(hits, total, unknown, unknown, unknown, by_run)
    found = scipy_stats.binomtest(hits, total).proportion_ci(CONFIDENCE, "wilson")
    return Proportion(hits, total, hits / total, float(found.low), float(found.high), by_run)


def confusion(fates: pd.DataFrame) -> pd.DataFrame:
    """What a flat line is worth as a sign: one row a comparison, variant and rate, and overall.

    Columns: `variant`, `layers` (`hidden` or `output`), `truth` (what it is held against), `lr`
    (text; `all` for all rates together); the units that are both, flat only, true only, neither:
    `tp`, `fp`, `fn`, `tn`; `precision` = tp / (tp + fp) and `recall` = tp / (tp + fn), each with
    the numbers of Proportion: `_low` and `_high`, and over the runs `_runs` (how many),
    `_runs_mean`, `_runs_low` and `_runs_high`.
    """
    rows: list[dict[str, Any]] = []
    for variant, own in fates.groupby("variant", sort=False):
        for layers, truth in COMPARISONS:
            units = own[own["is_output"] == (layers == "output")]
            rates = [(_rate(at), at) for _, at in units.groupby("lr", sort=True)]
            for lr, some in [*rates, (ALL_RATES, units)]:
                about = {"variant": variant, "layers": layers, "truth": truth, "lr": lr}
                rows.append(about | _confusion_of(some, is_true(some, truth)))
    return pd.DataFrame(rows)


def is_true(fates: pd.DataFrame, truth: str) -> "pd.Series[bool]":
    return fates["dead"] | fates["saturated"] if truth == GONE else fates[truth]


def _confusion_of(units: pd.DataFrame, truth: "pd.Series[bool]") -> dict[str, Any]:
    flat, run_ids = units["flat"], units["run_id"]
    counts = {
        "tp": int((flat & truth).sum()),
        "fp": int((flat & ~truth).sum()),
        "fn": int((~flat & truth).sum()),
        "tn": int((~flat & ~truth).sum()),
    }
    precision = proportion(truth[flat], run_ids[flat])
    recall = proportion(flat[truth], run_ids[truth])
    return {
        **counts,
        **_proportion_columns("precision", precision),
        **_proportion_columns("recall", recall),
    }


def swings(fates: pd.DataFrame) -> pd.DataFrame:
    """Which way layer 1's units had moved when they went flat, one row a cell, and overall.

    Columns: `variant`, `activation` and `lr` (text; `all` for all together); `flat`, the units that
    went flat; `from_start`, those of them that were flat from the first record on, so that no swing
    is on record; `weight` and `bias`, the share of the others whose mean weight, or bias, was lower
    when it went flat than at its first record, each with the numbers of Proportion, as in
    `confusion`.
    """
    rows: list[dict[str, Any]] = []
    for variant, own in fates[fates["layer"] == 1].groupby("variant", sort=False):
        cells = [
            ({"variant": variant, "activation": name, "lr": _rate(units)}, units)
            for (name, _), units in own.groupby(["activation", "lr"], sort=False)
        ]
        whole: dict[str, Any] = {"variant": variant, "activation": ALL_RATES, "lr": ALL_RATES}
        for about, units in [*cells, (whole, own)]:
            flat = units[units["flat"]]
            swung = flat[(flat[["swing_weight_mean", "swing_bias"]] != 0).any(axis=1)]
            weight = proportion(swung["swing_weight_mean"] < 0, swung["run_id"])
            bias = proportion(swung["swing_bias"] < 0, swung["run_id"])
            columns = _proportion_columns("weight", weight) | _proportion_columns("bias", bias)
            counts = {"flat": len(flat), "from_start": len(flat) - len(swung)}
            rows.append({**about, **counts, **columns})
    return pd.DataFrame(rows)


def layers_shown(layers: pd.DataFrame) -> list[int]:
    """Layers of `by_layer` that are drawn: LAYERS_SHOWN."""
    hidden = layers.loc[~layers["is_output"], "layer"]
    output = layers[layers["is_output"]]
    is_struck = output[(output["silent_mean"] > 0) | (output["flat_mean"] > 0)]
    return sorted({hidden.min(), hidden.max(), *is_struck["layer"]})


def shown_rates(rows: pd.DataFrame) -> list[float]:
    """Rates that are drawn: all, or of more than five the smallest, the largest, and between."""
    rates = sorted(set(rows["lr"]))
    places = np.linspace(0, len(rates) - 1, min(len(rates), MOST_PANELS)).round().astype(int)
    return [rates[place] for place in places]


# --- in words -----------------------------------------------------------------------------------


def in_words(units: Units, layers: pd.DataFrame) -> Iterator[list[str]]:
    """Paragraphs on each variant: who dies where, what the eye sees of it, and the swing.

    `layers` is `by_layer(units)`.
    """
    for variant, own in layers.groupby("variant", sort=False):
        fates = units.fates[units.fates["variant"] == variant]
        start = f"With {variant!s}: " if variant else ""
        gone = start + _on_the_gone(own[own["layer"] == 1])
        eye = units.eye[(units.eye["variant"] == variant) & (units.eye["lr"] == ALL_RATES)]
        swing = units.swings[units.swings["variant"] == variant].iloc[-1]
        others = [" ".join(_on_the_eye(eye, fates)), _on_swings(swing)]
        yield [" ".join([gone, *_on_revivals(fates)]), *others]


def notes(units: Units) -> list[str]:
    """What a reader must know of how the numbers came about."""
    said = [DEFINITIONS]
    if units.unrecorded:
        said.append(f"Not recorded, and not counted here: {units.unrecorded} older runs.")
    return said


def _on_the_gone(layers: pd.DataFrame) -> str:
    """On layer 1, by what is saturated: a dead unit is saturated too."""
    if layers["lr"].nunique() > MOST_PANELS:
        return _on_the_first_gone(layers)
    worst = layers.sort_values("saturated_mean", ascending=False, kind="stable")
    some = worst[worst["saturated_mean"] > 0]
    if some.empty:
        return "No unit of layer 1 ends dead or saturated."
    named = [_gone_in_words(row) for row in some.head(3).to_dict("records")]
    rest = some.iloc[3:]["saturated_mean"]
    most = f"; in every other cell at most {100 * rest.max():.1f} %" if len(rest) else ""
    spared = len(worst) - len(some)
    none = f"; in {spared} of {len(worst)} cells none" if spared else ""
    return f"Of layer 1's units there end dead or saturated: {join(named)}{most}{none}."


def _on_the_first_gone(layers: pd.DataFrame) -> str:
    """The same where the rates are many: where it begins."""
    begun = layers[layers["saturated_mean"] > 0.5].sort_values("lr", kind="stable")
    firsts = begun.drop_duplicates("activation")
    named = [
        f"at {_rate(own)} with {join(own['activation'].tolist())}"
        for _, own in firsts.groupby("lr")
    ]
    begun_with = set(firsts["activation"])
    spared = [str(name) for name in layers["activation"].unique() if name not in begun_with]
    never = [f"at no rate with {join(spared)}"] if spared else []
    return (
        "The smallest rate at which more than half of layer 1's units end dead or saturated: "
        f"{'; '.join([*named, *never])}."
    )


def _gone_in_words(row: dict[Any, Any]) -> str:
    where = f"with {row['activation']} at lr = {rate_text(row['lr'])}"
    return f"{100 * row['saturated_mean']:.1f} % {where} ({share_interval(row, 'saturated')})"


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


def _on_the_eye(eye: pd.DataFrame, fates: pd.DataFrame) -> Iterator[str]:
    for row in eye.to_dict("records"):
        flat, true = row["tp"] + row["fp"], row["tp"] + row["fn"]
        units, truth = f"{row['layers']} units", row["truth"]
        if flat == 0 and true == 0:
            yield f"None of the {units} is flat, and none {truth}."
            continue
        seen = f"{100 * row['precision']:.1f} % are {truth}" if flat else "nothing can be said"
        found = f"of the {true} that are {truth}, {100 * row['recall']:.1f} % are flat"
        yield f"Of the {flat} flat {units} {seen}; {found if true else f'none at all is {truth}'}."
        if truth == GONE and row["fp"] > 0:
            yield _on_false_alarms(fates)


def _on_false_alarms(fates: pd.DataFrame) -> str:
    false = fates[fates["flat"] & ~fates["is_output"] & ~is_true(fates, GONE)]
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


# --- tables -------------------------------------------------------------------------------------


def tables_of(units: Units, layers: pd.DataFrame) -> list[Table]:
    """The tables of the section; `layers` is `by_layer(units)`."""
    return [
        Table(
            "units",
            "Share of the units with each verdict (mean over runs, with its 95 % t-interval), "
            "median step since when, and revivals of dead units",
            layers,
            readable_by_layer(layers),
        ),
        Table(
            "flat_against_truth",
            "A flat line as a sign: precision and recall, of all units (with Wilson's 95 % "
            "interval) and as a mean over the runs in which they are defined (95 % t-interval)",
            units.eye,
            readable_confusion(units.eye),
        ),
        Table(
            "swings",
            "Layer 1's flat units: share that had moved to the negative side when they went "
            "flat, of all units and as a mean over runs, with 95 % intervals as above",
            units.swings,
            readable_swings(units.swings),
        ),
    ]


def readable_by_layer(table: pd.DataFrame) -> pd.DataFrame:
    """`by_layer` in per cent and words."""
    columns: dict[str, Any] = _named(table)
    columns["layer"] = [
        f"{layer}, output" if is_output else str(layer)
        for layer, is_output in zip(table["layer"], table["is_output"], strict=True)
    ]
    columns["n"] = table["n"]
    rows = table.to_dict("records")
    for verdict in VERDICTS:
        columns[f"{verdict}, %"] = [share_with_interval(row, verdict) for row in rows]
    for verdict in VERDICTS:
        columns[f"{verdict} since step"] = [onset_text(row, verdict) for row in rows]
    columns["revivals"] = [DASH if row["is_output"] else f"{row['revivals']:.0f}" for row in rows]
    return _without_empty_variant(pd.DataFrame(columns))


def readable_confusion(table: pd.DataFrame) -> pd.DataFrame:
    """`confusion` in per cent and words."""
    rows = table.to_dict("records")
    columns: dict[str, Any] = {
        "variant": table["variant"],
        "layers": table["layers"],
        "flat against": table["truth"],
        "lr": table["lr"],
        "both": table["tp"],
        "flat only": table["fp"],
        "true only": table["fn"],
        "neither": table["tn"],
    }
    for measure, none in (("precision", "no unit is flat"), ("recall", "no unit is {truth}")):
        texts = [none.format(truth=row["truth"]) for row in rows]
        columns |= _proportion_texts(rows, measure, texts)
    return _without_empty_variant(pd.DataFrame(columns))


def readable_swings(table: pd.DataFrame) -> pd.DataFrame:
    """`swings` in per cent and words, of the cells in which a unit went flat, and overall."""
    shown = table[(table["flat"] > 0) | (table["activation"] == ALL_RATES)]
    rows = shown.to_dict("records")
    columns: dict[str, Any] = {
        "variant": shown["variant"],
        "activation": shown["activation"],
        "lr": shown["lr"],
        "flat units": shown["flat"],
        "flat from the start": shown["from_start"],
    }
    for measure in ("weight", "bias"):
        columns |= _proportion_texts(rows, measure, ["no swing is recorded"] * len(rows))
    columns = {
        name.replace("weight", "weight went down").replace("bias", "bias went down"): column
        for name, column in columns.items()
    }
    return _without_empty_variant(pd.DataFrame(columns))


def share_with_interval(row: dict[Any, Any], verdict: str) -> str:
    """`12.5 (10.1 to 14.9)`."""
    mean = row[f"{verdict}_mean"]
    if np.isnan(mean):
        return DASH
    low, high = row[f"{verdict}_low"], row[f"{verdict}_high"]
    interval = f" ({100 * low:.1f} to {100 * high:.1f})" if row["n"] > 1 else ""
    return f"{100 * mean:.1f}{interval}"


def share_interval(row: dict[Any, Any], verdict: str) -> str:
    """How sure the mean of a share is."""
    if row["n"] == 1:
        return "one run, so no interval"
    low, high = row[f"{verdict}_low"], row[f"{verdict}_high"]
    return f"{100 * low:.1f} to {100 * high:.1f} %, n = {row['n']}"


def onset_text(row: dict[Any, Any], verdict: str) -> str:
    if np.isnan(row[f"{verdict}_mean"]):
        return DASH
    onset = row[f"{verdict}_onset"]
    return "never" if np.isnan(onset) else f"{onset:.0f}"


def _proportion_texts(
    rows: list[dict[Any, Any]], measure: str, none: list[str]
) -> dict[str, list[str]]:
    """Two columns, with `none` where a proportion is not defined: of all units, and by run."""
    pooled, by_run = [], []
    for row, reason in zip(rows, none, strict=True):
        if np.isnan(row[measure]):
            pooled.append(f"undefined: {reason}")
            by_run.append("")
            continue
        low, high = row[f"{measure}_low"], row[f"{measure}_high"]
        pooled.append(f"{100 * row[measure]:.1f} ({100 * low:.1f} to {100 * high:.1f})")
        mean, runs = f"{100 * row[f'{measure}_runs_mean']:.1f}", row[f"{measure}_runs"]
        low, high = row[f"{measure}_runs_low"], row[f"{measure}_runs_high"]
        interval = f" ({100 * low:.1f} to {100 * high:.1f})" if runs > 1 else ""
        by_run.append(f"{mean}{interval}, n = {runs}")
    return {f"{measure}, %": pooled, f"{measure}, by run, %": by_run}


def _proportion_columns(measure: str, found: Proportion) -> dict[str, Any]:
    return {
        measure: found.share,
        f"{measure}_low": found.low,
        f"{measure}_high": found.high,
        f"{measure}_runs": found.runs.n,
        f"{measure}_runs_mean": float(found.runs.mean),
        f"{measure}_runs_low": float(found.runs.low),
        f"{measure}_runs_high": float(found.runs.high),
    }


def _columns(verdict: str, found: Estimate) -> dict[str, float]:
    return {
        f"{verdict}_{name}": float(getattr(found, name)) for name in ("mean", "sd", "low", "high")
    }


def _rate(rows: pd.DataFrame) -> str:
    return rate_text(rows["lr"].iloc[0])


def _named(table: pd.DataFrame) -> dict[str, Any]:
    return {
        "variant": table["variant"],
        "activation": table["activation"],
        "lr": [rate_text(lr) for lr in table["lr"]],
    }


def _without_empty_variant(table: pd.DataFrame) -> pd.DataFrame:
    return table if table["variant"].any() else table.drop(columns="variant")
