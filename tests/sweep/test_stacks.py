"""Activations that are known to work are not made before a sweep begins."""

import pytest

from actscope.analysis.claims.slope_check import shipped_activation
from actscope.config import Activation
from actscope.engine.activations import check_function
from actscope.project import CONF
from actscope.sweep.stacks import TESTED_FUNCTIONS, TORCHS


@pytest.mark.parametrize("name", TESTED_FUNCTIONS)
def test_a_known_function_passes_the_check_that_it_is_spared(name: str) -> None:
    arguments = tuple(TESTED_FUNCTIONS[name].items())
    check_function(Activation("known", f"{TORCHS}{name}", arguments))


def test_every_shipped_activation_is_known() -> None:
    for path in (CONF / "activation").glob("*.yaml"):
        activation = shipped_activation(path.stem)
        name = activation.function.removeprefix(TORCHS)
        assert TESTED_FUNCTIONS[name] == dict(activation.arguments), path.stem
