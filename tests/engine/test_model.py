"""Where a network starts from, and which functions may stand in it."""

import math
import signal
from dataclasses import replace

import numpy as np
import pytest
import torch

from actscope.config import Activation
from actscope.engine.activations import make_function
from actscope.engine.initial_weights import initial_std, initial_weights, matched_gain
from actscope.engine.model import StackedMLP, runs_by_activation
from actscope.engine.random_streams import stream_seed
from actscope.errors import ConfigError
from tests.support.making import BN_RELU, PRELU, RELU, TANH, make_point

WIDTHS = (784, 64, 10)


def weights(init: str = "he", seed: int = 0, init_std: float | None = None) -> list[torch.Tensor]:
    point = make_point(init=init, seed=seed, init_std=init_std)
    return [layer[0] for layer in initial_weights([point], WIDTHS, torch.float32)]


def function(name: str, **arguments: object) -> Activation:
    return Activation("mine", f"torch.nn.{name}", tuple(arguments.items()))


# The start


@pytest.mark.parametrize(
    ("init", "init_std", "expected"),
    [
        ("he", None, 0.2),  # sqrt(2 / 50)
        ("lecun", None, 0.141421356),  # sqrt(1 / 50)
        ("xavier", None, 0.158113883),  # sqrt(2 / (50 + 30))
        ("normal", 0.05, 0.05),
    ],
)
def test_standard_deviation_of_initial_weights(init, init_std, expected):
    point = make_point(init=init, init_std=init_std)
    assert initial_std(point, 50, 30) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("init", "init_std", "expected"),
    [
        ("he", None, (math.sqrt(2 / 784), math.sqrt(2 / 64))),
        ("lecun", None, (math.sqrt(1 / 784), math.sqrt(1 / 64))),
        ("xavier", None, (math.sqrt(2 / 848), math.sqrt(2 / 74))),
        ("normal", 0.3, (0.3, 0.3)),
    ],
)
def test_initial_weights_are_normal(init, init_std, expected):
    for layer, std in zip(weights(init, init_std=init_std), expected, strict=True):
        z = layer.flatten().double().numpy() / std
        n = len(z)
        assert abs(z.mean()) < 4 / math.sqrt(n)
        assert abs(z.std() - 1) < 4 / math.sqrt(2 * n)
        assert abs(np.mean(np.abs(z) < 1) - 0.6827) < 4 * math.sqrt(0.6827 * 0.3173 / n)


def test_biases_start_at_zero_and_normalisation_as_the_identity():
    stack = StackedMLP([make_point(BN_RELU), make_point(PRELU)], 12, 5, torch.float32)
    normalised, learned = stack.state_of(0), stack.state_of(1)
    assert (normalised["layer1.bias"] == 0).all()
    assert (normalised["layer2.bias"] == 0).all()
    assert (normalised["layer1.norm.weight"] == 1).all()
    assert (normalised["layer1.norm.bias"] == 0).all()
    assert learned["layer1.function.weight"].tolist() == [0.25]
    assert not any("norm" in name for name in learned)


def test_weights_depend_on_the_seed():
    first, again, other = weights(seed=0), weights(seed=0), weights(seed=1)
    assert all(torch.equal(one, two) for one, two in zip(first, again, strict=True))
    assert not any(torch.equal(one, two) for one, two in zip(first, other, strict=True))


def test_weights_of_a_seed_are_the_same_numbers_whatever_their_scale_and_precision():
    he, lecun = weights("he")[0], weights("lecun")[0]
    torch.testing.assert_close(he, lecun * math.sqrt(2))
    double = initial_weights([make_point()], WIDTHS, torch.float64)[0]
    torch.testing.assert_close(he.double(), double[0], rtol=1e-6, atol=0)


@pytest.mark.parametrize(
    ("name", "gain"),
    [
        ("ReLU", math.sqrt(2)),
        ("LeakyReLU", math.sqrt(2 / (1 + 0.01**2))),
        ("Tanh", 1.5925374),  # 1 / sqrt(E tanh(z)^2), by scipy.integrate.quad
        ("ELU", 1.2451983),
        ("SELU", 1.0),
        ("Identity", 1.0),
    ],
)
def test_the_matched_gain_keeps_the_mean_square_of_a_normal_signal(name, gain):
    assert matched_gain(function(name)) == pytest.approx(gain, abs=1e-6)
    point = make_point(function(name), init="matched")
    assert initial_std(point, 100, 30) == pytest.approx(gain / 10, abs=1e-7)


@pytest.mark.parametrize("factor", [0.0, 1e300])
def test_a_function_without_a_mean_square_has_no_matched_gain(factor):
    with pytest.raises(ConfigError, match=r"activation=mine: has the mean square .*model.init=he"):
        matched_gain(Activation("mine", "tests.support.own_functions.Times", (("by", factor),)))


def test_an_activation_may_bring_its_initial_weights():
    brings = replace(TANH, init="lecun")
    assert initial_std(make_point(brings, init="own"), 50, 30) == pytest.approx(math.sqrt(1 / 50))
    assert initial_std(make_point(TANH, init="own"), 50, 30) == pytest.approx(0.2)
    assert initial_std(make_point(brings, init="he"), 50, 30) == pytest.approx(0.2)


def test_the_streams_of_a_seed_are_independent():
    seeds = {stream_seed(seed, stream) for seed in range(100) for stream in ("init", "order")}
    assert len(seeds) == 200
    assert all(0 <= seed < 2**63 for seed in seeds)
    order = torch.Generator().manual_seed(stream_seed(0, "order"))
    drawn = torch.randn(WIDTHS[:2], generator=order).flatten()
    assert abs(torch.corrcoef(torch.stack([drawn, weights(seed=0)[0].flatten()]))[0, 1]) < 0.02


def test_a_state_is_a_copy_in_the_layout_of_torchs_own_modules():
    stack = StackedMLP([make_point(hidden=(7,))], 12, 5, torch.float32)
    state = stack.state_of(0)
    shapes = {name: tuple(value.shape) for name, value in state.items()}
    assert shapes == {
        "layer1.weight": (7, 12),
        "layer1.bias": (7,),
        "layer2.weight": (5, 7),
        "layer2.bias": (5,),
    }
    assert all(value.is_contiguous() and not value.requires_grad for value in state.values())
    state["layer1.weight"].fill_(9.0)
    assert not (stack.weights[0] == 9.0).any()


def test_neighbours_of_one_activation_are_one_stretch():
    points = [make_point(RELU), make_point(RELU, lr=1.0), make_point(TANH), make_point(RELU)]
    assert list(runs_by_activation(points)) == [
        (RELU, slice(0, 2)),
        (TANH, slice(2, 3)),
        (RELU, slice(3, 4)),
    ]


# Functions


@pytest.mark.parametrize(
    "activation",
    [
        function("Hardtanh", min_val=-2.0, max_val=2.0),
        function("Threshold", threshold=0.5, value=0.0),
        function("Softplus", beta=2.0),
        function("GELU", approximate="tanh"),
        function("Softsign"),
        function("LogSigmoid"),
        function("Tanhshrink"),
        function("Identity"),
    ],
    ids=lambda activation: activation.function.removeprefix("torch.nn."),
)
def test_any_elementwise_function_of_torch_will_do(activation):
    x = torch.linspace(-2, 2, 5)
    expected = getattr(torch.nn, activation.function.split(".")[-1])(**dict(activation.arguments))
    assert torch.equal(make_function(activation)(x), expected(x))


@pytest.mark.parametrize(
    "activation",
    [
        function("Softmax"),
        function("Softmax", dim=-1),
        function("Softmax", dim=0),
        function("Softmin", dim=1),
        function("GLU"),
        function("RReLU"),  # draws its slopes in training
        function("Dropout", p=0.5),
        function("Linear", in_features=6, out_features=6),
        function("LayerNorm", normalized_shape=6),
        function("BatchNorm1d", num_features=6),
        function("PReLU", num_parameters=6),  # a slope a unit: it would need to know the width
        function("MultiheadAttention", embed_dim=6, num_heads=1),
        function("LSTM", input_size=6, hidden_size=6),
        function("CrossEntropyLoss"),
        function("Flatten"),
        function("Module"),
    ],
    ids=lambda activation: activation.function.removeprefix("torch.nn."),
)
def test_a_function_that_is_not_elementwise_is_refused_by_name(activation):
    message = refusal(activation)
    assert message.startswith(f"activation=mine: {activation.function} is not an elementwise")


@pytest.mark.parametrize(
    "path",
    ["torch.nn.Nope", "nowhere.Relu", "torch..nn", "", ".", "a b\nc", "torch.nn.ReLU()", "x" * 100],
)
def test_a_function_that_does_not_exist_is_refused(path):
    assert f"there is no {path!r} to import" in refusal(Activation("mine", path))


@pytest.mark.parametrize("path", ["os.system", "torch.relu", "torch.Tensor", "torch.nn", "torch"])
def test_what_is_not_a_module_class_is_refused(path):
    assert f"{path} is not a class of torch modules" in refusal(Activation("mine", path))


@pytest.mark.parametrize(
    "activation",
    [
        function("ELU", beta=1.0),
        function("ReLU", negative_slope=0.1),
        function("Threshold"),
        function("PReLU", num_parameters=1.5),
        function("Dropout", p=5.0),
        function("Hardtanh", min_val=1.0, max_val=0.0),
        function("MultiheadAttention", embed_dim=5, num_heads=2),
    ],
    ids=lambda activation: activation.function.removeprefix("torch.nn."),
)
def test_wrong_arguments_are_refused(activation):
    assert f"{activation.function} refuses its arguments: " in refusal(activation)


@pytest.mark.parametrize("name", ["ReLU", "ELU", "SiLU", "Hardtanh"])
def test_a_function_that_works_in_place_is_refused(name):
    assert "must not work in place" in refusal(function(name, inplace=True))


OWN = "tests.support.own_functions"


@pytest.mark.parametrize("name", ["Shift", "Swish", "Scaled", "Sign", "SquareRoot"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_class_of_a_user_s_own_passes(name, dtype):
    made = make_function(Activation("mine", f"{OWN}.{name}"), dtype)(torch.ones(2, 2, dtype=dtype))
    assert made.dtype is dtype


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("Step", "has no gradient. "),
        ("Detached", "has no gradient. "),
        ("Constant", "does not depend on its input by any gradient"),
        ("InPlace", "must not work in place"),
        ("BehindItsBack", "must not work in place"),
        ("Overwritten", "cannot be differentiated: one of the variables needed for gradient"),
        ("Spare", "does not use its parameter 'spare'"),
        ("ByHand", "does not use its parameter 'beta'"),
        ("Double", "returns float64 for an input of float32"),
        ("Half", "returns float16 for an input of float32"),
        ("Centred", "is not an elementwise function"),
        ("Viewed", "is not an elementwise function of its input alone (view size is not comp"),
        ("RandomStart", "starts from random numbers"),
        ("SeldomRandom", "is not an elementwise function of its input alone, but draws random"),
        ("Noisy", "is not an elementwise function of its input alone, but draws random"),
        ("Counting", "changes its own tensors when it is called"),
        ("Moody", "differs between training and evaluation"),
        ("Misspelt", "fails when it is tried: NameError: name 'tourch' is not defined"),
        ("Unfinished", "is not an elementwise function of its input alone (to be written)"),
        ("Exits", "fails when it is tried: SystemExit: 0"),
        ("ExitsAtOnce", "refuses its arguments: SystemExit: 0"),
        ("Interrupts", "fails when it is tried: KeyboardInterrupt"),
        ("ExitsBackward", "fails when it is tried: GeneratorExit"),
    ],
)
def test_a_class_of_a_user_s_own_that_cannot_be_trained_is_refused_with_its_reason(name, reason):
    assert refusal(Activation("mine", f"{OWN}.{name}")).startswith(
        f"activation=mine: {OWN}.{name} {reason}"
    )


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("import nowhere_at_all", "ModuleNotFoundError: No module named 'nowhere_at_all'"),
        ("from torch import nope", "ImportError: cannot import name 'nope' from 'torch'"),
        ("import torch; torch.nope", "AttributeError: module 'torch' has no attribute 'nope'"),
        ("1 +", "SyntaxError: invalid syntax"),
        ("1 / 0", "ZeroDivisionError: division by zero"),
        ("raise SystemExit(0)", "SystemExit: 0"),
        ("raise KeyboardInterrupt", "KeyboardInterrupt"),
    ],
)
def test_an_error_of_a_user_s_own_module_is_named(tmp_path, monkeypatch, source, reason):
    (tmp_path / "failing.py").write_text(source)
    monkeypatch.syspath_prepend(tmp_path)
    said = refusal(Activation("mine", "failing.Mine"))
    assert said.startswith(f"activation=mine: failing.Mine cannot be imported: {reason}")


def test_ctrl_c_while_a_class_is_tried_is_heard_as_ctrl_c(tmp_path, monkeypatch):
    (tmp_path / "waiting.py").write_text("import signal; signal.raise_signal(signal.SIGINT)")
    monkeypatch.syspath_prepend(tmp_path)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    with pytest.raises(KeyboardInterrupt):
        make_function(Activation("mine", "waiting.Mine"))


def refusal(activation: Activation) -> str:
    with pytest.raises(ConfigError) as caught:
        make_function(activation)
    message = str(caught.value)
    assert len(message.splitlines()) == 1
    assert len(message) < 200
    assert message.startswith("activation=mine: ")
    return message
