"""What makes two points the same."""

import hashlib
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from actscope import engine
from actscope.config import Activation, DataSource, Point
from actscope.parsing import parse_point
from actscope.tracking.signature import (
    code_hash,
    config_hash,
    hash_of_code,
    sha256_of,
    signature_of,
)
from tests.support.making import ELU, RELU, make_data, make_point


def on_digits(**settings: Any) -> Point:
    return replace(make_point(), data=DataSource("digits", **settings))


DIFFERENT = {
    "activation": make_point(ELU),
    "batch_norm": make_point(replace(RELU, batch_norm=True)),
    "function": make_point(replace(RELU, function="torch.nn.ReLU6")),
    "arguments": make_point(replace(RELU, arguments=(("x", 0),))),
    "lr": make_point(lr=0.0100001),
    "seed": make_point(seed=1),
    "data": make_point(data="mnist"),
    "train_size": on_digits(train_size=100),
    "scale": on_digits(scale="standard"),
    "noise": on_digits(noise=0.1),
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


SOURCE = """
import math
from functools import cache

class Step:
    rate: float = 0.5

def half(x: float = 1.0) -> float:
    return x * 0.5
"""
SAME = {
    "a comment": SOURCE + "# half of it\n",
    "a docstring": SOURCE.replace("float:\n", 'float:\n    """Half of x."""\n'),
    "a docstring of the module": f'"""Halves."""\n{SOURCE}',
    "formatting": SOURCE.replace("x * 0.5", "(\n        x\n        * 0.5\n    )"),
    "a moved import": SOURCE.replace("import math\n", "") + "import math\n",
    "annotations": SOURCE.replace("x: float", "x: int")
    .replace("-> float", "")
    .replace("rate: float", "rate: int"),
}
OTHER = {
    "a constant": SOURCE.replace("x * 0.5", "x * 0.25"),
    "an operator": SOURCE.replace("x * 0.5", "x + 0.5"),
    "a default": SOURCE.replace("= 1.0", "= 2.0"),
    "a field's default": SOURCE.replace("rate: float = 0.5", "rate: float = 0.25"),
    "a field's name": SOURCE.replace("rate:", "speed:"),
    "a type of number": SOURCE.replace("x * 0.5", "x * 1"),
    "a text for a number": SOURCE.replace("x * 0.5", "x * '0.5'"),
    "a decorator": SOURCE.replace("def half", "@cache\ndef half"),
}


def hash_of(folder: Path, source: str) -> str:
    (folder / "step.py").write_text(source)
    return hash_of_code(folder)


@pytest.mark.parametrize("change", SAME)
def test_what_changes_no_number_leaves_the_hash_of_the_code(tmp_path: Path, change: str) -> None:
    assert SAME[change] != SOURCE
    assert hash_of(tmp_path, SAME[change]) == hash_of(tmp_path, SOURCE)


@pytest.mark.parametrize("change", OTHER)
def test_what_may_change_a_number_changes_the_hash_of_the_code(tmp_path: Path, change: str) -> None:
    assert OTHER[change] != SOURCE
    assert hash_of(tmp_path, OTHER[change]) != hash_of(tmp_path, SOURCE)


def test_a_new_file_and_another_name_change_the_hash_of_the_code(tmp_path: Path) -> None:
    before = hash_of(tmp_path, SOURCE)
    (tmp_path / "new.py").write_text("")
    with_new = hash_of_code(tmp_path)
    (tmp_path / "step.py").rename(tmp_path / "steps.py")
    assert len({before, with_new, hash_of_code(tmp_path)}) == 3


def test_the_hash_of_the_code_is_that_of_the_engine() -> None:
    assert code_hash() == hash_of_code(Path(engine.__file__).parent)
