"""The check of an activation function itself: how far its slope jumps at 0."""

import numpy as np
from omegaconf import OmegaConf
from pydantic.dataclasses import dataclass as checked

from actscope.analysis.activation_curves import value_and_slope
from actscope.analysis.claims.verdicts import CheckResult, ClaimData, Margin, Verdict, decide
from actscope.config import Activation
from actscope.errors import ConfigError
from actscope.parsing import parse_activation
from actscope.project import CONF
from actscope.setting_types import CLOSED, Name

STEP = 1e-6  # of the one-sided differences at 0


@checked(frozen=True, config=CLOSED)
class SlopeJump:
    """The slope of an activation's function jumps at 0 by `jump` ± `margin`, in magnitude.

    |(f(h) - f(0)) / h - (f(0) - f(-h)) / h| with h = 1e-6, in float64, of the function that
    conf/activation/ has under this name.
    """

    activation: Name
    jump: Margin
    margin: Margin

    def judge(self, data: ClaimData) -> CheckResult:  # noqa: ARG002 - it needs no runs
        jump = slope_jump(shipped_activation(self.activation))
        is_near = abs(jump - self.jump) <= self.margin
        numbers = (
            f"{self.activation}: the slope jumps by {jump:.4f} at 0 (from its function, not from "
            f"runs), claimed {self.jump:g} ± {self.margin:g}"
        )
        verdict = Verdict.REPRODUCED if is_near else Verdict.NOT_REPRODUCED
        return decide(verdict, numbers, (), None)


def shipped_activation(name: str) -> Activation:
    """The activation of conf/activation/<name>.yaml, or raise ConfigError."""
    path = CONF / "activation" / f"{name}.yaml"
    if not path.is_file():
        raise ConfigError(f"activation={name}: {path} does not exist.")
    return parse_activation(OmegaConf.to_container(OmegaConf.load(path)))


def slope_jump(activation: Activation) -> float:
    """Magnitude of the jump of a function's slope at 0, from its one-sided differences."""
    value, _ = value_and_slope(activation, np.array([-STEP, 0.0, STEP]))
    left, middle, right = value.tolist()
    return float(abs((right - middle) - (middle - left)) / STEP)
