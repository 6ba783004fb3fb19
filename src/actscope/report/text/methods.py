"""What a page says about how a study was made: counts, gaps, methods, settings, provenance."""

from collections.abc import Iterator
from typing import cast

import pandas as pd

from actscope.analysis import stats
from actscope.analysis.frames import StudyRuns
from actscope.analysis.labels import rate_text
from actscope.report.text.study import join


def counts(runs: StudyRuns, cells: pd.DataFrame) -> list[tuple[str, str]]:
    """The numbers at the top of the page, each with its label."""
    used = runs.used
    return [
        (str(len(used)), "runs counted"),
        (str(used["activation"].nunique()), "activations"),
        (str(used["lr"].nunique()), "learning rates"),
        (str(used["seed"].nunique()), "seeds"),
        (str(int(cells["failed"].sum())), "failed to learn"),
        (str(int(cells["diverged"].sum())), "diverged"),
    ]


def gaps(runs: StudyRuns) -> list[str]:
    """The missing points as lines: one for the rates of an activation that lack the same seeds."""
    cells: dict[tuple[str, str, str], list[str]] = {}
    for key, rows in runs.missing.groupby(stats.CELL, sort=False):
        variant, activation, lr = cast(tuple[str, str, float], key)
        seeds = join([str(seed) for seed in rows["seed"]])
        cells.setdefault((variant, activation, seeds), []).append(rate_text(lr))
    return [
        f"{variant} {activation} at lr {join(rates)}: seed {seeds}".strip()
        for (variant, activation, seeds), rates in cells.items()
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


def methods(runs: StudyRuns) -> dict[str, str]:
    """The settings that the methods section names; one that varies shows all its values."""
    names = {
        "data": "data",
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
    values = {key: " or ".join(runs.values_of(name)) or "unknown" for key, name in names.items()}
    seeds = sorted({int(seed) for seed in runs.used["seed"]})
    values["seeds"] = ", ".join(str(seed) for seed in seeds)
    values["digests"] = ", ".join(sorted(set(runs.used["data"])))
    return values


def settings(runs: StudyRuns) -> list[tuple[str, str]]:
    """Every parameter that is not part of the grid, with its values."""
    shown = [
        name
        for name in sorted(runs.params.columns)
        if name not in ("activation", "lr", "seed", "study")
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
