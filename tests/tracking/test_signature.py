"""What makes two points the same."""

import ast
import hashlib
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

import actscope
from actscope.config import Activation, Point, parse_point
from actscope.tracking.signature import (
    NUMERIC_MODULES,
    code_hash,
    config_hash,
    sha256_of,
    signature_of,
)
from tests.support.making import ELU, RELU, make_data, make_point

DIFFERENT = {
    "activation": make_point(ELU),
    "batch_norm": make_point(replace(RELU, batch_norm=True)),
    "function": make_point(replace(RELU, function="torch.nn.ReLU6")),
    "arguments": make_point(replace(RELU, arguments=(("x", 0),))),
    "lr": make_point(lr=0.0100001),
    "seed": make_point(seed=1),
    "data": make_point(data="mnist"),
    "hidden": make_point(hidden=(16, 16)),
    "init": make_point(init="lecun"),
    "init_std": make_point(init="normal", init_std=0.1),
    "epochs": make_point(epochs=3),
    "batch_size": make_point(batch_size=21),
    "reduction": make_point(reduction="mean"),
    "momentum": make_point(momentum=0.1),
    "weight_decay": make_point(weight_decay=0.1),
    "every": make_point(every="epoch"),
    "learned_from": make_point(learned_from=0.6),
}


@pytest.mark.parametrize("setting", DIFFERENT)
def test_the_hash_of_a_configuration_changes_with_each_setting_that_makes_numbers(setting):
    assert config_hash(DIFFERENT[setting]) != config_hash(make_point())


def test_no_two_different_configurations_have_the_same_hash():
    assert len({config_hash(point) for point in DIFFERENT.values()}) == len(DIFFERENT)


@pytest.mark.parametrize(
    "point", [make_point(study="other"), make_point(root="elsewhere"), make_point(root="/data")]
)
def test_neither_the_study_nor_where_data_lies_changes_the_hash(point):
    assert config_hash(point) == config_hash(make_point())


def test_the_hash_does_not_depend_on_how_a_number_is_written(compose):
    points = [parse_point(compose(f"lr={lr}", "seed=0")) for lr in ("0.1", "1e-1", "0.10")]
    assert len({config_hash(point) for point in points}) == 1
    assert config_hash(make_point(lr=1)) == config_hash(make_point(lr=1.0))  # type: ignore[arg-type]


def test_the_hash_does_not_depend_on_the_order_of_settings(compose):
    function = "activation.function={_target_: torch.nn.Hardtanh, %s}"
    one, two = (
        parse_point(compose("~activation.function", f"+{function % arguments}"))
        for arguments in ("min_val: 0, max_val: 1", "max_val: 1, min_val: 0")
    )
    assert config_hash(one) == config_hash(two)
    assert sha256_of({"a": 1, "b": 2}) == sha256_of({"b": 2, "a": 1})


def test_a_hash_is_the_sha256_of_canonical_json():
    expected = hashlib.sha256(b'{"a":[1,0.5],"b":null}').hexdigest()
    assert sha256_of({"b": None, "a": [1, 0.5]}) == expected


def test_a_value_that_json_does_not_know_has_no_hash():
    with pytest.raises(ValueError, match="not JSON compliant"):
        sha256_of(float("nan"))


def signature(point: Point | None = None, seed_of_data: int = 0):
    return signature_of(point or make_point(), make_data(seed=seed_of_data))


def test_a_signature_has_a_part_each_for_configuration_data_and_code():
    whole = signature()
    assert whole.config == config_hash(make_point())
    assert whole.data == make_data().sha256
    assert whole.code == code_hash()
    parts = json.dumps([whole.config, whole.data, whole.code], separators=(",", ":"))
    assert whole.whole == hashlib.sha256(parts.encode()).hexdigest()


def test_a_signature_changes_with_each_part():
    point = make_point(Activation("elu", "torch.nn.ELU"))
    changed = replace(signature(), code="other")
    wholes = [signature(), signature(point), signature(seed_of_data=1), changed]
    assert len({each.whole for each in wholes}) == 4
    assert signature().whole == signature().whole


# What the training imports besides, and why a change in it changes no number.
MAKES_NO_NUMBERS = {
    "checkpoint": "keeps a state and gives it back",
    "config": "its values are in the hash of the configuration",
    "device": "chooses where to train",
    "errors": "words",
    "interrupts": "tells Ctrl-C from what a class raises",
    "project": "where the project lies",
    "vision": "reads files whose bytes are checked",
}


def imported(module: str) -> Iterator[str]:
    """Modules of actscope that one of them imports, those within functions too."""
    source = Path(actscope.__file__).parent / f"{module}.py"
    for node in ast.walk(ast.parse(source.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module == "actscope":
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("actscope."):
            yield str(node.module).split(".")[1]


def test_the_hash_of_the_code_is_of_all_that_the_training_reaches() -> None:
    reached, unread = set(), {"train"}
    while unread:
        module = unread.pop()
        reached.add(module)
        if module not in MAKES_NO_NUMBERS:
            unread |= set(imported(module)) - reached
    assert sorted(reached - MAKES_NO_NUMBERS.keys()) == sorted(NUMERIC_MODULES)
