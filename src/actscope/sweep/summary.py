"""The results of a sweep over the seeds of each cell: as a table, and printed."""

import math
from collections.abc import Iterator, Sequence

import pandas as pd
from rich.console import Console
from rich.table import Column, Table
from rich.text import Text

from actscope.analysis.labels import sort_key
from actscope.analysis.lead_words import distance_to_next, headline
from actscope.analysis.ranking import Lead, find_lead
from actscope.analysis.stats import NOT_TRAINED, summarise
from actscope.command_line import suggestions
from actscope.parsing import flat_settings
from actscope.sweep.console import can_show_grid
from actscope.sweep.grid_table import CellKey, GridTable
from actscope.sweep.grid_variants import variants_of
from actscope.sweep.result_grid import Measured, ResultGrid, heading_of
from actscope.sweep.results import Done, Failed, Result
from actscope.tracking import LocalStore, Store


def cell_means(results: Sequence[Result]) -> pd.DataFrame:
    """Final values and outcomes over the seeds of each variant, rate and activation.

    The numbers are those of a report. Columns: those of stats.summarise.
    """
    return summarise(_runs(results).drop(columns="validation"))


def _runs(results: Sequence[Result]) -> pd.DataFrame:
    """One row a point, with the columns that analysis.stats and analysis.ranking read."""
    runs = pd.DataFrame(
        {
            "variant": variants_of([flat_settings(result.point) for result in results]),
            "activation": [result.point.activation.name for result in results],
            "lr": [result.point.lr for result in results],
            "seed": [result.point.seed for result in results],
            "run_id": [r.run_id or "" if isinstance(r, Done) else "" for r in results],
            "outcome": [_outcome(result) for result in results],
            "final": [r.final if isinstance(r, Done) else math.nan for r in results],
            "validation": [
                r.validation_final if isinstance(r, Done) else math.nan for r in results
            ],
        }
    )
    return runs.sort_values(["variant", "lr", "activation"], key=sort_key, kind="stable")


def _outcome(result: Result) -> str:
    return str(result.outcome) if isinstance(result, Done) else NOT_TRAINED


def print_summary(
    console: Console, results: Sequence[Result], store: Store, seconds: float | None = None
) -> None:
    """Print the results of a sweep, its failed points, and the next commands.

    A terminal gets the grid as a table, the best cells, and where the `seconds` went.
    """
    studies: dict[str, list[Result]] = {}
    for result in results:
        studies.setdefault(result.point.study, []).append(result)
    if can_show_grid(console):
        _print_grid(console, studies)
    else:
        _print_tables(console, studies)
    failed = [result for result in results if isinstance(result, Failed)]
    for result in failed:
        console.print(f"failed: {result.point}: {result.reason}", markup=False, soft_wrap=True)
    if seconds is not None and can_show_grid(console):
        _print_note(console, "time", times_in_words(results, seconds))
    for study in studies:
        report = suggestions.command("report", f"study={study}", store=store)
        in_ui = (
            suggestions.command("ui", store=store) if isinstance(store, LocalStore) else str(store)
        )
        console.print(f"next:   {report}   or   {in_ui}", markup=False, soft_wrap=True)


def _print_tables(console: Console, studies: dict[str, list[Result]]) -> None:
    """Print a line a cell, for logs."""
    measured = Measured.of([result.point for own in studies.values() for result in own])
    for study, results in studies.items():
        for variant, own in cell_means(results).groupby("variant", sort=False):
            if words := heading_of(study, str(variant), len(studies)):
                console.print(words, markup=False, soft_wrap=True)
            console.print(summary_table(own, str(measured)))


def _print_grid(console: Console, studies: dict[str, list[Result]]) -> None:
    """Print a row an activation, and sentences on the best cell of each variant."""
    results = [result for own in studies.values() for result in own]
    points = [result.point for result in results]
    grid = ResultGrid(points)
    grid.add(results)
    leads = {
        heading_of(study, variant, len(studies)): lead
        for study, own in studies.items()
        for variant, lead in leads_of(own).items()
    }
    best = [
        CellKey(group, str(lead.best["activation"]), lead.best["lr"])
        for group, lead in leads.items()
        if lead.best is not None
    ]
    measured = Measured.of(points)
    console.print()
    console.print(GridTable(grid, is_final=True, best=best))
    console.print()
    for group, lead in leads.items():
        _print_note(console, "best", _about_lead(measured, group, lead))


def _print_note(console: Console, name: str, words: str) -> None:
    note = Table.grid(Column(width=8), Column())
    note.add_row(Text(name), Text(words))
    console.print(note)


def leads_of(results: Sequence[Result]) -> dict[str, Lead]:
    """The lead of each variant of one study, as a report finds it."""
    metric = Measured.of([result.point for result in results]).metric
    runs = _runs(results)
    cells = summarise(runs)
    return {
        str(variant): find_lead(runs, own, metric=metric)
        for variant, own in cells.groupby("variant", sort=False)
    }


def best_in_words(results: Sequence[Result]) -> list[str]:
    """The best cell of each variant of one study, and by how much it is best; one text each."""
    measured = Measured.of([result.point for result in results])
    return [_about_lead(measured, variant, lead) for variant, lead in leads_of(results).items()]


def _about_lead(measured: Measured, group: str, lead: Lead) -> str:
    return " ".join([*([f"With {group}:"] if group else []), *lead_in_words(measured, lead)])


def lead_in_words(measured: Measured, lead: Lead) -> Iterator[str]:
    """Which cell is best, and by how much."""
    if lead.best is None:
        yield "no activation learned with every seed at any rate."
        return
    yield headline(measured.split, lead, lead.best, measured.metric)
    if lead.second is not None and lead.difference is not None:
        yield distance_to_next(lead.second, lead.difference, measured.metric)


def times_in_words(results: Sequence[Result], seconds: float) -> str:
    """How long a sweep took, and how long each of its processes trained on average."""
    trained = [r.training for r in results if isinstance(r, Done) and r.training is not None]
    whole = f"{_duration(seconds)} in all"
    if not trained:
        return f"{whole}, without any training."
    processes = len({each.process for each in trained})
    mean = _duration(sum(each.seconds for each in trained) / processes)
    who = f"each of {processes} processes trained {mean} on average"
    return (
        f"{whole}: {who if processes > 1 else f'one process trained {mean}'}. "
        "The rest is starting, waiting, and storing the runs."
    )


def _duration(seconds: float) -> str:
    """`8.1 s`, `52 s`, `12 min 5 s`, `3 h 20 min`."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


def summary_table(cells: pd.DataFrame, measured: str = "test accuracy") -> Table:
    """Final values and outcomes by rate and activation, of one variant's cells."""
    table = Table(title=f"Final {measured}: mean and standard deviation of the n runs that learned")
    for heading in ("lr", "activation", "mean", "sd", "n", "outcomes"):
        is_text = heading in ("activation", "outcomes")
        table.add_column(heading, justify="left" if is_text else "right")
    for _, of_rate in cells.groupby("lr", sort=False):
        table.add_section()
        for cell in of_rate.to_dict("records"):
            table.add_row(
                f"{cell['lr']:g}",
                cell["activation"],
                *(_four_digits(cell[number]) for number in ("final_mean", "final_sd")),
                str(cell["n"]),
                cell["outcomes"],
            )
    return table


def _four_digits(value: float) -> str:
    return f"{value:.4f}" if math.isfinite(value) else "-"
