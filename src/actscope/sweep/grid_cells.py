"""Writes a cell of a grid in few or many characters."""

import statistics
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from rich.text import Text

from actscope.analysis.labels import BEST_SIGN, OUTCOME_SIGNS
from actscope.engine.result import Outcome
from actscope.metric import ACCURACY, Metric
from actscope.sweep.result_grid import GridCell, ResultGrid


@dataclass(frozen=True)
class End:
    """A way in which a point ends without having learned."""

    sign: str
    style: str
    name: str
    meaning: str


ENDS: Mapping[Outcome | None, End] = {  # the worst first
    None: End("?", "yellow", "not trained", "an error stopped it"),
    Outcome.DIVERGED: End(
        OUTCOME_SIGNS["diverged"], "magenta", "diverged", "a number was no longer finite"
    ),
    Outcome.FAILED: End(OUTCOME_SIGNS["failed"], "red", "failed", "did not learn"),
}
PENDING, PARTIAL = "·", "…"
LEARNED_STYLE, BEST_STYLE, PENDING_STYLE = "green", "bold green", "dim"
MEAN_WIDTH = len("0.912")


@dataclass(frozen=True)
class Form:
    """A way to write a cell, what the table is headed with, and the signs of cells not yet done.

    `is_narrow`: a cell ends in one sign, and the rates stand where there is room. `gap`: spaces
    between cells.
    """

    write: Callable[[GridCell], Text]
    caption: str
    waiting: str = ""
    is_narrow: bool = False
    gap: int = 2

    def as_best(self, text: Text) -> Text:
        """The text of a cell, marked as the best."""
        plain = text.plain[:-1] if self.is_narrow else f"{text.plain} "
        return Text(plain + BEST_SIGN, BEST_STYLE)


def meanings(grid: ResultGrid, form: Form, *, has_best: bool) -> list[Text]:
    """What the signs in a grid mean, and how many points have ended so."""
    counts = grid.ends
    legend = [
        Text.assemble((end.sign, end.style), f" {counts[outcome]} {end.name} ({end.meaning})")
        for outcome, end in ENDS.items()
        if counts[outcome]
    ]
    if has_best:
        legend.append(
            Text.assemble((BEST_SIGN, BEST_STYLE), " best of the cells in which every run learned")
        )
    if counts.total() < len(grid.points):
        words = {PARTIAL: "some runs to come", PENDING: "all runs to come"}
        legend += [Text(f"{sign} {words[sign]}", PENDING_STYLE) for sign in form.waiting]
    return legend


def _bad_ends(cell: GridCell) -> Iterator[tuple[End, int]]:
    return ((end, cell.ends[outcome]) for outcome, end in ENDS.items() if cell.ends[outcome])


def _mean(cell: GridCell) -> str:
    return f"{statistics.fmean(cell.finals):.3f}" if cell.finals else ""


def _style(cell: GridCell) -> str:
    return LEARNED_STYLE if len(cell.finals) == cell.points else ""


def _so_far(cell: GridCell) -> Text:
    mean = _mean(cell) or ("" if cell.done else PENDING)
    text = Text(mean.ljust(MEAN_WIDTH), _style(cell))
    is_done = cell.done == cell.points
    return text.append(f" {cell.done}/{cell.points}", "" if is_done else PENDING_STYLE)


def _at_the_end(cell: GridCell) -> Text:
    text = Text(_mean(cell), _style(cell))
    if len(cell.finals) > 1:
        text.append(f" ± {statistics.stdev(cell.finals):.3f}")
    return text


def _with_ends(write: Callable[[GridCell], Text], pattern: str) -> Callable[[GridCell], Text]:
    def write_all(cell: GridCell) -> Text:
        text = write(cell)
        for end, count in _bad_ends(cell):
            words = pattern.format(end=end, count=count)
            text.append(f"{' ' if text else ''}{words}", end.style)
        return text

    return write_all


def _to_come(cell: GridCell) -> str:
    if cell.done == cell.points:
        return ""
    return PARTIAL if cell.done else PENDING


def _short_mean(cell: GridCell) -> Text:
    return Text(_mean(cell).removeprefix("0"), _style(cell)).append(_to_come(cell), PENDING_STYLE)


def _percent(cell: GridCell) -> Text:
    number = f"{100 * statistics.fmean(cell.finals):.0f}" if cell.finals else ""
    sign, style = _one_sign(cell)
    return Text(f"{number:>2}{sign}", style)


def _digit(cell: GridCell) -> Text:
    sign, style = _one_sign(cell)
    if sign in (PARTIAL, " ") and cell.finals:
        sign = str(min(9, int(10 * statistics.fmean(cell.finals))))
    return Text(sign, style)


def _one_sign(cell: GridCell) -> tuple[str, str]:
    """The most important sign of a cell, with its style; a space if all runs learned."""
    for end, _ in _bad_ends(cell):
        return end.sign, end.style
    return (_to_come(cell), PENDING_STYLE) if _to_come(cell) else (" ", LEARNED_STYLE)


WITH_WORDS, WITH_SIGNS = "{end.sign} {count} {end.name}", "{end.sign}{count}"
MEAN = "mean of the runs that learned"
WITH_SD = "Final {}: mean ± standard deviation of the runs that learned"
PERCENT = f"Final {{}} in %: {MEAN}"
SHORT = Form(_with_ends(_short_mean, WITH_SIGNS), f"Final {{}}: {MEAN}", PARTIAL + PENDING)
SHARES = (  # of values from 0 to 1
    Form(_percent, PERCENT, PARTIAL + PENDING, is_narrow=True, gap=1),
    Form(_percent, PERCENT, PARTIAL + PENDING, is_narrow=True, gap=0),
    Form(
        _digit, f"First digit of final {{}} (9: over 0.9): {MEAN}", PENDING, is_narrow=True, gap=1
    ),
)
LIVE = (
    Form(_with_ends(_so_far, WITH_WORDS), f"Final {{}}: {MEAN}, and runs done"),
    Form(_with_ends(_so_far, WITH_SIGNS), f"Final {{}}: {MEAN}, and runs done"),
)
FINAL = (
    Form(_with_ends(_at_the_end, WITH_WORDS), WITH_SD),
    Form(_with_ends(_at_the_end, WITH_SIGNS), WITH_SD),
)


def forms(metric: Metric, *, is_final: bool) -> tuple[Form, ...]:
    """All forms for values of a metric, the widest first."""
    wide = FINAL if is_final else LIVE
    return (*wide, SHORT, *SHARES) if metric is ACCURACY else (*wide, SHORT)
