"""The results of a sweep over the seeds of each cell: as a table, and printed."""

import math
from collections.abc import Sequence

import pandas as pd
from rich.console import Console
from rich.table import Table

from actscope.analysis.labels import sort_key
from actscope.analysis.stats import NOT_TRAINED, summarise
from actscope.command_line import suggestions
from actscope.parsing import flat_settings
from actscope.sweep.grid_variants import variants_of
from actscope.sweep.results import Done, Failed, Result
from actscope.tracking import LocalStore, Store


def cell_means(results: Sequence[Result]) -> pd.DataFrame:
    """Final accuracy and outcomes over the seeds of each variant, rate and activation.

    The numbers are those of a report. Columns: those of stats.summarise.
    """
    runs = pd.DataFrame(
        {
            "variant": variants_of([flat_settings(result.point) for result in results]),
            "activation": [result.point.activation.name for result in results],
            "lr": [result.point.lr for result in results],
            "outcome": [_outcome(result) for result in results],
            "final": [r.accuracy if isinstance(r, Done) else math.nan for r in results],
        }
    )
    by_cell = runs.sort_values(["variant", "lr", "activation"], key=sort_key, kind="stable")
    return summarise(by_cell)


def _outcome(result: Result) -> str:
    return str(result.outcome) if isinstance(result, Done) else NOT_TRAINED


def print_summary(console: Console, results: Sequence[Result], store: Store) -> None:
    """Print the results of a sweep, its failed points, and the next commands."""
    studies = list(dict.fromkeys(result.point.study for result in results))
    for study in studies:
        cells = cell_means([result for result in results if result.point.study == study])
        for variant, own in cells.groupby("variant", sort=False):
            heading = f"{study if len(studies) > 1 else ''} {variant}".strip()
            if heading:
                console.print(heading, markup=False, soft_wrap=True)
            console.print(summary_table(own, accuracy_name(results)))
    failed = [result for result in results if isinstance(result, Failed)]
    for result in failed:
        console.print(f"failed: {result.point}: {result.reason}", markup=False, soft_wrap=True)
    for study in studies:
        report = suggestions.command("report", f"study={study}", store=store)
        in_ui = (
            suggestions.command("ui", store=store) if isinstance(store, LocalStore) else str(store)
        )
        console.print(f"next:   {report}   or   {in_ui}", markup=False, soft_wrap=True)


def accuracy_name(results: Sequence[Result]) -> str:
    """What the accuracy of these results is measured on."""
    is_tested = all(result.point.data.test for result in results)
    return "test accuracy" if is_tested else "validation accuracy"


def summary_table(cells: pd.DataFrame, accuracy: str = "test accuracy") -> Table:
    """Final accuracy and outcomes by rate and activation, of one variant's cells."""
    table = Table(title=f"Final {accuracy}: mean and standard deviation of the n runs that learned")
    for heading in ("lr", "activation", "mean", "sd", "n", "outcomes"):
        is_text = heading in ("activation", "outcomes")
        table.add_column(heading, justify="left" if is_text else "right")
    for _, of_rate in cells.groupby("lr", sort=False):
        table.add_section()
        for cell in of_rate.to_dict("records"):
            table.add_row(
                f"{cell['lr']:g}",
                cell["activation"],
                *(_accuracy(cell[number]) for number in ("final_mean", "final_sd")),
                str(cell["n"]),
                cell["outcomes"],
            )
    return table


def _accuracy(value: float) -> str:
    return f"{value:.4f}" if math.isfinite(value) else "-"
