"""Which settings vary between runs, from their texts; a grid needs no tables for that."""

from collections import defaultdict
from collections.abc import Mapping, Sequence, Set

from actscope.analysis.logged_settings import OWN

# Settings that make no variant: they name the point, or cannot change a number.
NOT_A_VARIANT = {"study", "activation", "lr", "seed", "data.root"}

UNSET = "unset"  # the text of a setting that a run does not have

HIDDEN, DEPTH, WIDTH = "model.hidden", "model.depth", "model.width"

Texts = Mapping[str, str]  # settings of a run as its parameters store them


def varying_settings(runs: Sequence[Texts]) -> set[tuple[str, str]]:
    """The settings that vary, as (activation whose own it is or '', setting)."""
    names = {name for run in runs for name in run} - NOT_A_VARIANT
    if _differ_in_depth(runs):
        names = (names - {HIDDEN}) | {DEPTH, WIDTH}
    values: dict[tuple[str, str], set[str]] = defaultdict(set)
    for run in runs:
        for name in names:
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
    """The text of a run's setting; depth and width are those of layers of one width."""
    layers = _layers(run.get(HIDDEN, ""))
    if name == DEPTH:
        return str(len(layers))
    return layers[0] if name == WIDTH else run.get(name, UNSET)


def _differ_in_depth(runs: Sequence[Texts]) -> bool:
    """Whether runs have different numbers of layers, and each run layers of one width."""
    return have_one_width(runs) and len({value_of(run, DEPTH) for run in runs}) > 1


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
