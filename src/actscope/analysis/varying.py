"""Which settings vary between runs, from their texts; a grid needs no tables for that."""

from collections import defaultdict
from collections.abc import Mapping, Sequence, Set

from actscope.analysis.logged_settings import OWN

# Settings that make no variant: they name the point, or cannot change a number.
NOT_A_VARIANT = {"study", "activation", "lr", "seed", "data.root"}

UNSET = "unset"  # the text of a setting that a run does not have

Texts = Mapping[str, str]  # settings of a run as its parameters store them


def varying_settings(runs: Sequence[Texts]) -> set[tuple[str, str]]:
    """The settings that vary, as (activation whose own it is or '', setting)."""
    names = {name for run in runs for name in run} - NOT_A_VARIANT
    values: dict[tuple[str, str], set[str]] = defaultdict(set)
    for run in runs:
        for name in names:
            whose = run["activation"] if is_own(name) else ""
            values[whose, name].add(run.get(name, UNSET))
    return {setting for setting, found in values.items() if len(found) > 1}


def variant_text(run: Texts, varying: Set[tuple[str, str]]) -> str:
    """Short text of these settings of a run; `varying`: of `varying_settings`."""
    return " ".join(
        f"{name}={run.get(name, UNSET).replace(' ', '')}"
        for whose, name in sorted(varying)
        if whose in ("", run["activation"])
    )


def is_own(setting: str) -> bool:
    """Whether a setting belongs to an activation."""
    return setting.startswith(OWN)
