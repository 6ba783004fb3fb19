"""Why runs of a study do not count."""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from actscope.analysis.stats import OUTCOMES
from actscope.command_line.suggestions import command, training
from actscope.metric import Metric
from actscope.tracking import Store


def why_unusable(run: Mapping[Any, Any], reason: object, fault: str, metric: Metric) -> str:
    status = str(run["status"])
    if status == "RUNNING":
        return "still RUNNING"
    if status == "FAILED":
        return f"status FAILED: {reason}" if isinstance(reason, str) else "status FAILED"
    if status != "FINISHED":
        return status
    if fault:
        return f"FINISHED, but {fault}"
    if run["outcome"] == "":
        return "FINISHED, but has no outcome"
    if run["outcome"] not in OUTCOMES:
        return f"FINISHED, but its outcome is not one of {', '.join(OUTCOMES)}"
    if run["outcome"] != "diverged":
        if pd.isna(run["final"]):
            return f"FINISHED, but has no final {metric.words}"
        low, high = metric.limits
        if not low <= run["final"] <= high:
            return f"FINISHED, but its final {metric.words} is not between {low:g} and {high:g}"
    return ""


def why_none(runs: pd.DataFrame, study: str, store: Store | None) -> str:
    """Why no run of a study with runs is used."""
    finished = runs[runs["status"] == "FINISHED"]
    if len(finished):
        first = finished.iloc[0]
        return (
            f"none of its {len(finished)} finished runs can be used. Run {first['run_id']}: "
            f"{first['why']}. Check the store with `{command('doctor', store=store)}`."
        )
    states = ", ".join(f"{n} {s}" for s, n in sorted(runs["status"].value_counts().items()))
    return f"no finished runs ({states}). Train them with `{training(study, store)}`."
