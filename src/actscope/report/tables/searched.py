"""The tables of a searched study's report."""

from typing import Any

import pandas as pd

from actscope.analysis.factors import short_name
from actscope.analysis.searched_study import SearchedStudy
from actscope.report.tables.files import DASH, Table
from actscope.report.tables.tuned import readable


def best_table(study: SearchedStudy) -> Table:
    chosen, metric = study.choices, study.metric
    columns = {
        **_settings(study, chosen),
        "n": chosen["n"],
        metric.heading("validation"): chosen["validation"].map(metric.number),
        "standard error": chosen["error"].map(metric.number),
        "trial": chosen["number"].map(lambda number: DASH if pd.isna(number) else f"{number:.0f}"),
        "finished": chosen["finished"],
        "pruned": chosen["pruned"],
        "failed": chosen["failed"],
        "flag": chosen["flag"],
    }
    caption = f"The best trial of each cell by validation {metric.words}, and how its trials ended"
    return Table("best", caption, chosen, readable(chosen, study.factors, columns), is_folded=False)


def trials_table(study: SearchedStudy) -> Table:
    trials, metric = study.trials, study.metric
    columns = {
        "trial": trials["number"],
        **_settings(study, trials),
        "state": trials["state"],
        "n": trials["n"],
        metric.heading("validation"): trials["validation"].map(metric.number),
        metric.heading("best so far"): trials["best"].map(metric.number),
    }
    return Table("trials", "Every trial", trials, readable(trials, study.factors, columns))


def _settings(study: SearchedStudy, table: pd.DataFrame) -> dict[str, list[str]]:
    return {short_name(name): [_text(value) for value in table[name]] for name in study.tuned}


def _text(value: Any) -> str:
    if isinstance(value, float):
        return DASH if pd.isna(value) else f"{value:.3g}"
    return str(value)
