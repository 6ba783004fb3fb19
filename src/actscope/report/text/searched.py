"""Sentences about a searched study, computed from its tables."""

import math
from collections.abc import Iterator
from typing import Any

from actscope.analysis.judged_study import JudgedStudy
from actscope.analysis.labels import number_range
from actscope.analysis.searched_study import SearchedStudy
from actscope.analysis.tuning import search_id
from actscope.report.text.study import join
from actscope.tuning_settings import Choices, Range


def told(study: JudgedStudy) -> Iterator[str]:
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


def trial_counts(study: SearchedStudy) -> list[tuple[str, str]]:
    """The numbers of trials at the top of the page, each with its label."""
    chosen = study.choices
    return [
        (f"{len(study.trials):,}", "trials searched"),
        (f"{int(chosen['pruned'].sum()):,}", "trials pruned"),
        (f"{int(chosen['failed'].sum()):,}", "trials failed"),
    ]


def methods(study: SearchedStudy) -> dict[str, Any]:
    """What the methods section says of the search."""
    search = study.search
    return {
        "space": [(name, in_words(search.space[name])) for name in study.tuned],
        "wanted_trials": search.trials,
        "batch": search.batch,
        "sampler_seed": search.sampler_seed,
        "search": search_id(search),
        "lost_as": "the worst run so far" if math.isnan(study.metric.chance) else "chance",
    }


def in_words(values: Range | Choices) -> str:
    """`0.0001 to 0.1, even in the logarithm`, or `one of sgd and adam`."""
    if not isinstance(values, Range):
        return f"one of {join([str(value) for value in values])}"
    return f"{values.low:g} to {values.high:g}{', even in the logarithm' if values.log else ''}"
