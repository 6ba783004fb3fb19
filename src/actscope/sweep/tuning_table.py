"""Prints the cells of a tuned study."""

from collections import Counter
from collections.abc import Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from actscope.analysis.tuning import Choice
from actscope.parsing import flat_settings
from actscope.sweep.grid_variants import variants_of
from actscope.sweep.tuned_cells import TunedCell

COLUMNS = ("variant", "activation", "stage", "trials", "rate", "validation", "judged", "note")


def print_cells(console: Console, states: Sequence[TunedCell]) -> None:
    """Print a row a cell: its stage, its trials, and its choice; then the number of next runs."""
    variants = variants_of([flat_settings(state.cell) for state in states])
    shown = slice(None if any(variants) else 1, None)
    table = Table(title="Tuning: the learning rate of each cell, chosen by validation accuracy")
    for heading in COLUMNS[shown]:
        table.add_column(heading, overflow="fold")
    for variant, state in zip(variants, states, strict=True):
        table.add_row(*map(Text, (variant, *_row(state))[shown]))
    console.print(table)
    stages = Counter(state.stage for state in states)
    counts = ", ".join(f"{count} {stage}" for stage, count in stages.items())
    missing = sum(len(state.missing()) for state in states)
    console.print(f"cells   {len(states)}: {counts}; {missing} runs to train next")


def _row(state: TunedCell) -> tuple[str, ...]:
    choice = state.plan.choice
    judged = f"{len(state.evaluations())} of {len(state.wanted())}" if choice is not None else "-"
    name = state.cell.activation.name
    return (name, state.stage, str(len(state.trials())), *_chosen(choice), judged, _note(choice))


def _chosen(choice: Choice | None) -> tuple[str, str]:
    """The chosen rate and its mean validation accuracy."""
    for score in choice.scores if choice is not None else ():
        if choice is not None and score.rate == choice.rate:
            return f"{score.rate:g}", f"{score.mean:.4f}"
    return "-", "-"


def _note(choice: Choice | None) -> str:
    return choice.flag if choice is not None else ""
