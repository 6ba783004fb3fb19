"""Which settings vary between runs, from their texts; a grid needs no tables for that."""

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence, Set

from actscope.analysis.logged_settings import OWN

LEARNING_RATE = "lr"
# Settings that make no variant: they name the point, or cannot change a number.
NOT_A_VARIANT = {"study", "activation", "seed", "data.root"}

UNSET = "unset"  # the text of a setting that a run does not have

HIDDEN, DEPTH, WIDTH = "model.hidden", "model.depth", "model.width"

Texts = Mapping[str, str]  # settings of a run as its parameters store them


def varying_settings(
    runs: Sequence[Texts], axis: str = LEARNING_RATE, *, by_width: bool = False
) -> set[tuple[str, str]]:
    """The settings that vary, as (activation whose own it is or '', setting).

    `axis`: the setting that is an axis of tables, and makes no variant. `by_width`: layers of one
    width that differ vary in `model.width`, and in `model.hidden` only without it.
    """
    names = {name for run in runs for name in run} - NOT_A_VARIANT
    is_by_width = by_width or axis in (DEPTH, WIDTH)
    if have_one_width(runs) and (is_by_width or len({value_of(run, DEPTH) for run in runs}) > 1):
        names = (names - {HIDDEN}) | {DEPTH, WIDTH}
    values: dict[tuple[str, str], set[str]] = defaultdict(set)
    for run in runs:
        for name in names - {axis}:
            whose = run["activation"] if is_own(name) else ""
            values[whose, name].add(value_of(run, name))
    return {setting for setting, found in values.items() if len(found) > 1}


def variant_text(run: Texts, varying: Set[tuple[str, str]]) -> str:
    """Short text of these settings of a run; `varying`: of `varying_settings`."""
    return " ".join(
        f"{name}={value_of(run, name).replace(' ', '')}"
        for whose, name in sorted(varying)
        if whose in ("", run["activation"])
    )


def value_of(run: Texts, name: str) -> str:
    """The text of a run's setting; depth and width are those of layers of one width.

    A network of a user's own may have arguments `depth` and `width`, which come first.
    """
    if name in run or name not in (DEPTH, WIDTH) or HIDDEN not in run:
        return run.get(name, UNSET)
    layers = _layers(run[HIDDEN])
    if name == DEPTH:
        return str(len(layers))
    return layers[0] if len(set(layers)) == 1 else UNSET


def is_number(text: str) -> bool:
    """Whether the text of a setting is a finite number."""
    try:
        return math.isfinite(float(text))
    except ValueError:
        return False


def have_one_width(runs: Sequence[Texts]) -> bool:
    """Whether the layers of each run have the same width."""
    texts = {run.get(HIDDEN, "") for run in runs}
    return all(len(set(_layers(text))) == 1 for text in texts)


def _layers(text: str) -> list[str]:
    """The widths in the text of `model.hidden`."""
    return text.strip("[]").replace(" ", "").split(",")


def is_own(setting: str) -> bool:
    """Whether a setting belongs to an activation."""
    return setting.startswith(OWN)
