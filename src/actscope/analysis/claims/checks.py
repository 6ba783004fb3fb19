"""The kinds of check that a claim may name in conf/claims/."""

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
from actscope.analysis.claims.verdicts import Check
from actscope.errors import ConfigError
from actscope.parsing import parse

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
    return parse(CHECKS[kind], rest, name)
