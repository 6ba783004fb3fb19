"""What the page of a tuned study says about how it was made."""

import math
from collections.abc import Iterator
from typing import Any

from actscope.analysis.factors import short_name
from actscope.analysis.judged_study import JudgedStudy
from actscope.analysis.labels import number_range
from actscope.analysis.searched_study import SearchedStudy
from actscope.analysis.tuning import search_id
from actscope.analysis.varying import DEPTH, HIDDEN, WIDTH, have_one_width, value_of
from actscope.report.text import methods
from actscope.report.text.study import join
from actscope.tuning_settings import Choices, Range, Tuning


def values(study: JudgedStudy) -> dict[str, Any]:
    """What the methods section says: text.methods of the runs that judge, and the protocol."""
    rules, chosen = study.rules[0], study.choices
    return {
        **methods.methods(study.judges),
        "hidden": _hidden(study),
        "tuning_seeds": ", ".join(map(str, rules.seeds)),
        "first_seed": rules.seeds[0],
        "evaluation_seeds": ", ".join(map(str, rules.evaluation_seeds)),
        "trials": number_range(chosen["trials"]),
        "axis": short_name(study.factors.axis or ""),
        "rival": study.rival,
        "bases": len(study.bases),
        "has_leads": not study.leads.empty,
        "lead_tests": int(study.leads["p"].count()),
        "slope_tests": int(study.slopes["p"].count()),
        **(_search(study) if isinstance(study, SearchedStudy) else _grid(study)),
    }


def _grid(study: JudgedStudy) -> dict[str, Any]:
    rules = study.rules[0]
    assert isinstance(rules, Tuning)
    return {
        "rates": ", ".join(f"{rate:g}" for rate in rules.rates),
        "extensions": rules.extensions,
        "lost_as": "the worst trial" if math.isnan(study.metric.chance) else "chance",
    }


def _search(study: SearchedStudy) -> dict[str, Any]:
    """What the methods section says of the search."""
    search = study.search
    return {
        "space": [(name, _space_in_words(search.space[name])) for name in study.tuned],
        "wanted_trials": search.trials,
        "batch": search.batch,
        "sampler_seed": search.sampler_seed,
        "search": search_id(search),
        "lost_as": "the worst run so far" if math.isnan(study.metric.chance) else "chance",
    }


def _space_in_words(values: Range | Choices) -> str:
    """`0.0001 to 0.1, even in the logarithm`, or `one of sgd and adam`."""
    if not isinstance(values, Range):
        return f"one of {join([str(value) for value in values])}"
    return f"{values.low:g} to {values.high:g}{', even in the logarithm' if values.log else ''}"


def _hidden(study: JudgedStudy) -> str:
    """The hidden layers, by depth and width where each network has layers of one width."""
    runs = [{HIDDEN: text} for text in study.judges.values_of(HIDDEN)]
    if not have_one_width(runs):
        return " or ".join(run[HIDDEN] for run in runs)
    depths, widths = (sorted({int(value_of(run, name)) for run in runs}) for name in (DEPTH, WIDTH))
    return f"of width {_either(widths)}, {_either(depths)} of them"


def _either(numbers: list[int]) -> str:
    return join([str(number) for number in numbers]).replace(" and ", " or ")


def notes(study: JudgedStudy) -> Iterator[str]:
    """Warnings to read before comparing cells."""
    for runs in (study.judges, study.tuning):
        yield from (f"{runs.study}: {note}" for note in methods.notes(runs))
    if (n := len(study.rules)) > 1:
        yield (
            f"The sweeps of this study had {n} different sets of rules. The newest rules that give "
            "a choice which was judged count for each cell. The methods section has the newest."
        )
    others = len(study.evaluations) - int(study.judged["runs"].sum())
    if others > 0:
        yield f"{others} runs are at rates that judge no choice. No table of cells has them."
    numbers = study.choices["trials"]
    if numbers.max() > 2 * numbers.min():
        yield (
            f"The cells had {number_range(numbers)} trials: some grids were extended more often. "
            "The budget curve shows what further trials were worth."
        )
