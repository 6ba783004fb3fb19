"""The kinds of check that a claim may name in conf/claims/."""

from collections.abc import Collection, Mapping
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
from actscope.analysis.claims.slope_check import SlopeJump
from actscope.analysis.claims.tuned_checks import AtStart, Grows, LeadDiffers, TunedLead
from actscope.analysis.claims.verdicts import Check, Place
from actscope.analysis.logged_settings import is_setting
from actscope.analysis.varying import LEARNING_RATE, NOT_A_VARIANT
from actscope.errors import ConfigError
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
    own = {field.name: field.type for field in fields(CHECKS[kind])}  # type: ignore[arg-type]
    if own.get("at") is Place:
        rest = _with_place(rest, own, name)
    return parse(CHECKS[kind], rest, name)


def _with_place(settings: Mapping[str, Any], own: Collection[str], name: str) -> dict[str, Any]:
    """The settings, with the one of the runs, as `lr`, as Place `at`; `own`: the check's own."""
    found = [key for key in settings if key not in own and _may_name_cells(key)]
    if "at" in settings or len(found) != 1:
        raise ConfigError(
            f"{name}: needs one setting of its cells, and has "
            f"{' and '.join(map(str, found)) or 'none'}. Give one, as `lr: 0.1` or "
            "`model.width: 64`."
        )
    (key,) = found
    kind: Any = Rate if key == LEARNING_RATE else Argument
    value = parse(kind, settings[key], f"{name}.{key}")
    rest = {other: settings[other] for other in settings if other != key}
    return {"at": Place(key, value), **rest}


def _may_name_cells(key: object) -> bool:
    return key == LEARNING_RATE or (is_setting(str(key)) and key not in NOT_A_VARIANT)
