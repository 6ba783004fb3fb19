"""What a page says about how a study was made: counts, gaps, methods, settings, provenance."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, cast

import pandas as pd

from actscope.analysis.frames import StudyRuns
from actscope.analysis.logged_settings import NETWORK
from actscope.metric import ACCURACY, learned_by
from actscope.report.text.study import join


def counts(runs: StudyRuns, cells: pd.DataFrame) -> list[tuple[str, str]]:
    """The numbers at the top of the page, each with its label."""
    used = runs.used
    several = "learning rates" if runs.axis.is_rate else runs.axis.several
    return [
        (str(len(used)), "runs counted"),
        (str(used["activation"].nunique()), "activations"),
        (str(used[runs.axis.column].nunique()), several),
        (str(used["seed"].nunique()), "seeds"),
        (str(int(cells["failed"].sum())), "failed to learn"),
        (str(int(cells["diverged"].sum())), "diverged"),
    ]


def gaps(runs: StudyRuns) -> list[str]:
    """The missing points as lines: one for the values of an activation that lack the same seeds."""
    axis = runs.axis
    cells: dict[tuple[str, str, str], list[str]] = {}
    for key, rows in runs.missing.groupby(axis.cell, sort=False):
        variant, activation, value = cast(tuple[str, str, Any], key)
        seeds = join([str(seed) for seed in rows["seed"]])
        cells.setdefault((variant, activation, seeds), []).append(axis.text(value))
    return [
        f"{variant} {activation} at {axis.symbol} {join(values)}: seed {seeds}".strip()
        for (variant, activation, seeds), values in cells.items()
    ]


def notes(runs: StudyRuns) -> Iterator[str]:
    """Warnings to read before comparing runs."""
    used = runs.used
    if (versions := used["code"].nunique()) > 1:
        yield f"The runs come from {versions} versions of the training code; results may differ."
    names = runs.params.reindex(columns=["data"]).loc[used["run_id"], "data"]
    for data, rows in used.assign(name=names.to_numpy()).groupby("name"):
        if (digests := rows["data"].nunique()) > 1:
            yield f"The runs on {data} use {digests} different versions of these data."
    if (n := len(runs.left_out)) > 0:
        was = "run is" if n == 1 else "runs are"
        yield f"{n} {was} left out. The list of all runs gives the reasons."


@dataclass(frozen=True)
class DataSet:
    """`brightest`: the largest pixel, or None; `train` and `test`: numbers of examples."""

    brightest: int | None
    train: int
    test: int
    split: str


OF_MNISTS_SIZE = DataSet(255, 60_000, 10_000, "split by their authors")
DATA_SETS = {
    "digits": DataSet(16, 1437, 360, "a fixed random split, stratified by class"),
    **dict.fromkeys(["mnist", "fashion_mnist", "kmnist"], OF_MNISTS_SIZE),
    "cifar10": DataSet(255, 50_000, 10_000, "split by their authors"),
    "mnist1d": DataSet(None, 4000, 1000, "split by their authors"),
}
INITIAL_WEIGHTS = {
    "he": "normal with variance 2 / inputs",
    "lecun": "normal with variance 1 / inputs",
    "xavier": "normal with variance 2 / (inputs + outputs)",
    "matched": "normal with variance 1 / (inputs · E f(z)²), z standard normal",
    "normal": "normal with the standard deviation model.init_std",
    "own": "normal with the variance that belongs to the activation",
}
LOSSES = {
    "cross_entropy": "cross-entropy",
    "mse": "mean square error, averaged over the numbers of a target",
}
DEFINITIONS = {
    "r2": (
        "R² is 1 minus the mean square error over the variance of the targets of the same "
        "examples: 1 is exact, and 0 is what the mean of the targets reaches."
    ),
    "rmse": "RMSE is the square root of the mean square error, in the unit of the targets.",
}
OPTIMISERS = {"sgd": "Plain SGD", "adam": "Adam", "adamw": "AdamW"}
BATCH_NORM = (
    "Batch normalisation is before the activation, with eps 0.00001; its scale starts at 1 and its "
    "shift at 0. Test accuracies use running means and variances, updated with momentum 0.1."
)
SETTINGS = {
    "hidden": "model.hidden",
    "init": "model.init",
    "epochs": "train.epochs",
    "batch": "train.batch_size",
    "reduction": "train.reduction",
    "momentum": "train.momentum",
    "decay": "train.weight_decay",
    "learned_from": "outcome.learned_from",
    "every": "trajectory.every",
}


def methods(runs: StudyRuns) -> dict[str, Any]:
    """What the methods section says; a setting that varies shows all its values."""
    built_in = _with_built_in_network(runs)
    values: dict[str, Any] = {
        key: " or ".join((built_in if name.startswith("model.") else runs).values_of(name))
        or "unknown"
        for key, name in SETTINGS.items()
    }
    if built_in.used.empty:
        values["hidden"] = ""
    if "sgd" not in (runs.values_of("train.optimizer") or ["sgd"]):
        values["momentum"] = ""  # the others take none
    losses = runs.values_of("train.loss") or ["cross_entropy"]
    seeds = sorted({int(seed) for seed in runs.used["seed"]})
    sets = {name: DATA_SETS.get(name) for name in runs.values_of("data")}
    normed = "True" in runs.values_of("activation.batch_norm")
    return {
        **values,
        "definition": DEFINITIONS.get(runs.metric.name, ""),
        "metric": runs.metric,
        "learned_by": learned_by(runs.metric),
        "loss": " or ".join(LOSSES[name] for name in losses),
        "networks": runs.values_of(NETWORK),
        "optimiser": _optimiser(runs),
        "seeds": ", ".join(str(seed) for seed in seeds),
        "digests": ", ".join(sorted(set(runs.used["data"]))),
        "init_formula": " or ".join(
            INITIAL_WEIGHTS[name] for name in built_in.values_of("model.init")
        ),
        "batch_norm": BATCH_NORM if normed else "",
        "data_sets": [f"{name}: {_data_in_words(data, runs)}" for name, data in sets.items()],
        "data_changes": list(_data_changes(runs)),
        "test_sizes": "; ".join(_test_in_words(data) for data in sets.values()),
        "untested": _untested(runs.splits),
        "validation": " or ".join(
            _held_out(text) for text in runs.values_of("data.validation") if text != "0"
        )
        if runs.split_of_epochs == "validation"
        else "",
    }


def _with_built_in_network(runs: StudyRuns) -> StudyRuns:
    """The study without users' own networks, whose arguments may be named like its settings."""
    own = runs.params.reindex(columns=[NETWORK])[NETWORK].dropna().index
    return replace(runs, runs=runs.runs[~runs.runs["run_id"].isin(own)])


def _optimiser(runs: StudyRuns) -> str:
    """The optimisers of a study with their schedules and clipping."""
    names = [OPTIMISERS[name] for name in runs.values_of("train.optimizer")] or [OPTIMISERS["sgd"]]
    text = " or ".join(names)
    if "cosine" in (schedules := runs.values_of("train.schedule")):
        some = ", in some runs" if len(schedules) > 1 else ""
        text += f", whose rate falls to 0 by half a cosine{some},"
    clipped = [norm for norm in runs.values_of("train.clip_norm") if norm != "None"]
    if clipped:
        text += f", with gradients of an L2 norm of at most {' or '.join(clipped)},"
    return text


def _untested(splits: Mapping[str, str]) -> str:
    """The variants in which no run is tested, in words; '' if there are none."""
    untested = [variant for variant, split in splits.items() if split == "validation"]
    return "this study" if untested == [""] else join(untested)


def _held_out(validation: str) -> str:
    return f"{100 * float(validation):g} %" if "." in validation else f"{validation} examples"


def _data_in_words(data: DataSet | None, runs: StudyRuns) -> str:
    if data is None:
        targets = "classes" if runs.metric is ACCURACY else "targets"
        return f"the inputs and {targets} that this function of a user's own returns."
    pixels = (
        "40 features as their authors' package generates them"
        if data.brightest is None
        else f"pixels of 0 to {data.brightest} are divided by {data.brightest}"
    )
    return f"{pixels}; {data.train:,} training and {data.test:,} test examples, {data.split}."


def _data_changes(runs: StudyRuns) -> Iterator[str]:
    """What settings change of the data, a sentence for each that is not the default in all runs."""
    sizes, noises, scales = (
        runs.values_of(f"data.{name}") for name in ("train_size", "noise", "scale")
    )
    if set(sizes) - {"None"}:
        counts = " or ".join("all" if size == "None" else size for size in sizes)
        yield (
            f"Training examples that are used: {counts} of those that are not held out, the first "
            "of a fixed order that is stratified by class."
        )
    if set(noises) - {"0.0"}:
        yield (
            "Pixels that are 0 have noise, uniform and the same in all runs; its amplitude is "
            f"{' or '.join(noises)} of the brightest pixel."
        )
    if "standard" in scales:
        yield (
            f"{'If data.scale is standard, the' if 'unit' in scales else 'The'} mean of all inputs "
            "of the training examples that are used is subtracted from each input, and the result "
            "divided by their standard deviation."
        )


def _test_in_words(data: DataSet | None) -> str:
    if data is None:
        return "those that the user's own function returns"
    return f"{data.test:,} examples, so it changes in steps of {100 / data.test:.2g} points"


def settings(runs: StudyRuns) -> list[tuple[str, str]]:
    """Every parameter that is not part of the grid, with its values."""
    shown = [
        name
        for name in sorted(runs.params.columns)
        if name not in ("activation", runs.axis.setting, "seed", "study")
    ]
    values = [(name, ", ".join(runs.values_of(name))) for name in shown]
    return [(name, value) for name, value in values if not name.startswith("activation.")]


def provenance(runs: StudyRuns) -> list[tuple[str, str]]:
    used = runs.used
    dirty = {"true": " with uncommitted changes", "false": ""}
    commits = {f"{c}{dirty.get(d, '')}" for c, d in zip(used["commit"], used["dirty"], strict=True)}
    return [
        ("commits", ", ".join(sorted(commits - {""})) or "unknown"),
        ("sweeps", ", ".join(sorted(set(used["sweep"]) - {""})) or "unknown"),
        ("training code (SHA-256)", ", ".join(sorted(set(used["code"])))),
        ("data (SHA-256)", ", ".join(sorted(set(used["data"])))),
    ]
