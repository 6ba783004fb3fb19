"""The kinds of check that a claim may name in conf/claims/."""

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from actscope.analysis.claims.final_checks import (
    Best,
    DifferenceNear,
    Greater,
    MeanNear,
    NoAdvantage,
)
from actscope.analysis.claims.run_checks import Fails, Learns, NegativeSwing, UnitsGoFlat
from actscope.analysis.claims.settings import Place
from actscope.analysis.claims.slope_check import SlopeJump
from actscope.analysis.claims.tuned_checks import AtStart, Grows, LeadDiffers, TunedLead
from actscope.analysis.claims.verdicts import Check
from actscope.errors import ConfigError
from actscope.analysis.varying import LEARNING_RATE
from actscope.parsing import parse
from actscope.setting_types import Argument, Rate

CHECKS: dict[str, type[Check]] = {
    "at_start": AtStart,
    "best": Best,
    "difference_near": DifferenceNear,
    "fails": Fails,
    "greater": Greater,
    "grows": Grows,
    "lead_differs": LeadDiffers,
    "learns": Learns,
    "mean_near": MeanNear,
    "negative_swing": NegativeSwing,
    "no_advantage": NoAdvantage,
    "slope_jump": SlopeJump,
    "tuned_lead": TunedLead,
    "units_go_flat": UnitsGoFlat,
}


def parse_check(settings: Any, name: str) -> Check:
    """The check that settings describe, or raise ConfigError; `name`: where the settings are."""
    if not isinstance(settings, dict) or "check" not in settings:
        raise ConfigError(f"{name}: no kind of check. Add it, as in `check: best`.")
    kind = settings["check"]
    if kind not in CHECKS:
        raise ConfigError(f"{name}.check={kind!r}: choose one of {', '.join(sorted(CHECKS))}")
    rest = {key: value for key, value in settings.items() if key != "check"}
    check = CHECKS[kind]
    return parse(check, _with_place(rest, name) if _has_place(check) else rest, name)


def _has_place(check: type[Check]) -> bool:
    """Whether its cells are named by one setting besides the activation."""
    return any(field.type is Place for field in fields(check))  # type: ignore[arg-type]


def _with_place(settings: Mapping[str, Any], name: str) -> dict[str, Any]:
    """The settings, with `lr` or the one with a dot as the Place `at`."""
    found = [key for key in settings if key == LEARNING_RATE or "." in str(key)]
    if len(found) != 1:
        raise ConfigError(
            f"{name}: names {len(found)} settings. Give one, as `lr: 0.1` or `model.width: 64`."
        )
    (key,) = found
    kind = Rate if key == LEARNING_RATE else Argument
    value = parse(kind, settings[key], f"{name}.{key}")
    rest = {other: settings[other] for other in settings if other != key}
    return {**rest, "at": Place(key, value)}
