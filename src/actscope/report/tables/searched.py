"""The tables of a searched study's report."""

from typing import Any

import pandas as pd

from actscope.analysis.factors import short_name
from actscope.analysis.searched_study import SearchedStudy
from actscope.report.tables.files import DASH, Table, percent
from actscope.report.tables.tuned import readable


def best_table(study: SearchedStudy) -> Table:
    chosen = study.choices
    columns = {
        **_settings(study, chosen),
        "n": chosen["n"],
        "validation, %": chosen["validation"].map(percent),
        "standard error": chosen["error"].map(percent),
        "trial": chosen["number"].map(lambda number: DASH if pd.isna(number) else f"{number:.0f}"),
        "finished": chosen["finished"],
        "pruned": chosen["pruned"],
        "failed": chosen["failed"],
        "flag": chosen["flag"],
    }
    caption = "The best trial of each cell by validation accuracy, and how its trials ended"
    return Table("best", caption, chosen, readable(chosen, study.factors, columns), is_folded=False)


def trials_table(study: SearchedStudy) -> Table:
    trials = study.trials
    columns = {
        "trial": trials["number"],
        **_settings(study, trials),
        "state": trials["state"],
        "n": trials["n"],
        "validation, %": trials["validation"].map(percent),
        "best so far, %": trials["best"].map(percent),
    }
    return Table("trials", "Every trial", trials, readable(trials, study.factors, columns))


def _settings(study: SearchedStudy, table: pd.DataFrame) -> dict[str, list[str]]:
    return {short_name(name): [_text(value) for value in table[name]] for name in study.tuned}


def _text(value: Any) -> str:
    if isinstance(value, float):
        return DASH if pd.isna(value) else f"{value:.3g}"
    return str(value)
