"""Progress bars with the time left."""

import time
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    TaskProgressColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Column

SECONDS_IN_SILENCE = 5.0


def columns(doing: str, *count: ProgressColumn) -> list[ProgressColumn]:
    """Columns of every bar: `training ---- 20% 200/1000 0:00:10 left 0:00:40`.

    `count`: columns in place of `200/1000`. A narrow terminal shortens the bar.
    """
    return [
        TextColumn(doing),
        BarColumn(bar_width=None, table_column=Column(min_width=4, max_width=40)),
        TaskProgressColumn(),
        *(count or [MofNCompleteColumn()]),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
    ]


class LateProgress:
    """A bar on stderr that appears only after some seconds, and only on a terminal."""

    def __init__(self, doing: str, total: float) -> None:
        self.started = time.monotonic()
        self.is_shown = False
        console = Console(stderr=True)
        self.bar = Progress(
            *columns(doing), console=console, disable=not console.is_terminal, transient=True
        )
        self.task = self.bar.add_task(doing, total=total)

    def advance(self, by: float = 1) -> None:
        self.bar.advance(self.task, by)
        if not self.is_shown and time.monotonic() - self.started > SECONDS_IN_SILENCE:
            self.is_shown = True
            self.bar.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        where: TracebackType | None,
    ) -> None:
        if self.is_shown:  # stopping a hidden bar prints an empty line
            self.bar.stop()
