"""Load the templates of the pages: values are escaped, and a missing value is an error."""

import re
from collections.abc import Iterable
from pathlib import Path

import pandas as pd
from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template

NUMBER = re.compile(r"[+-]?\d+(?:\.(\d+))?")
AROUND_NUMBERS = {"", "< ", " %", " to ", " ( to )"}  # what a cell has besides its numbers


def load(name: str) -> Template:
    return ENVIRONMENT.get_template(name)


def columns_of_numbers(readable: pd.DataFrame) -> set[str]:
    """The columns of numbers or intervals whose values all have the same number of decimals.

    Their decimal points are below each other where their cells end at the same place. A cell
    without a digit, and the reason for a missing interval, are no values.
    """
    return {str(name) for name in readable if _is_aligned(map(str, readable[name]))}


def _is_aligned(cells: Iterable[str]) -> bool:
    values = [text for text in cells if NUMBER.search(text) and not text.startswith("none: ")]
    decimals = {len(found) for text in values for found in NUMBER.findall(text)}
    return len(decimals) == 1 and all(NUMBER.sub("", text) in AROUND_NUMBERS for text in values)


ENVIRONMENT = Environment(
    loader=FileSystemLoader(Path(__file__).parent),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
ENVIRONMENT.filters["columns_of_numbers"] = columns_of_numbers
