"""The colours of activations, in figures and in MLflow's UI."""

from collections.abc import Mapping

# Okabe and Ito's colours; their yellow is too faint on white.
BLUE, ORANGE, GREEN, RED = "#0072B2", "#E69F00", "#009E73", "#D55E00"
PINK, SKY, BLACK = "#CC79A7", "#56B4E9", "#000000"

ACTIVATION_COLOURS: Mapping[str, str] = {  # of the shipped ones, the article's first
    "relu": BLUE,
    "leaky_relu": ORANGE,
    "elu": GREEN,
    "selu": RED,
    "bn_relu": PINK,
    "gelu": SKY,
    "silu": BLACK,
    "mish": BLUE,
    "celu": ORANGE,
    "softplus": GREEN,
    "tanh": RED,
    "sigmoid": PINK,
    "hardswish": SKY,
    "prelu": BLACK,
}
