"""Show where two runs or two studies differ: `python -m actscope diff FIRST SECOND`."""

import json
import sys

from rich.console import Console
from rich.table import Table
from rich.text import Text

from actscope import tracking
from actscope.analysis.side_by_side import Difference, Side, as_json, differences, read_side
from actscope.commands.settings import DiffSettings

ABSENT = "-"


def run(first: str, second: str, settings: DiffSettings) -> int:
    """Print the differences; the exit code is 0, whether there are some or not."""
    store = tracking.locate_store(settings.tracking)
    with tracking.store_errors(store.location):
        sides = read_side(store, first), read_side(store, second)
    if settings.json:
        sys.stdout.write(f"{json.dumps(as_json(*sides), indent=2)}\n")
        return 0
    console = Console(highlight=False)
    found = differences(*sides)
    for part in dict.fromkeys(each.part for each in found):
        console.print(_table(part, [each for each in found if each.part == part], *sides))
    if not found:
        console.print("Settings, code, packages and numbers are the same.", markup=False)
    return 0


def _table(part: str, found: list[Difference], first: Side, second: Side) -> Table:
    table = Table(title=Text(part), title_justify="left")
    for heading in ("name", first.name, second.name):
        table.add_column(Text(heading), overflow="fold", no_wrap=heading == "name")
    for each in found:
        texts = (each.name, each.first, each.second)
        table.add_row(*(Text(ABSENT if text is None else text) for text in texts))
    return table
