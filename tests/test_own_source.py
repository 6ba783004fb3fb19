"""What a class of a user's own is made of, and when it counts as another."""

import importlib
import py_compile
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from torch import nn

from actscope import own_source
from actscope.config import Activation
from actscope.engine.activations import find_class
from actscope.network_settings import OwnNetwork
from actscope.own_source import sources_of
from actscope.tracking.signature import (
    activation_hash,
    model_hash,
    sha256_of,
    signature_of,
    unreadable_classes,
)
from tests.support.making import make_data, make_point

MODULES = {
    "mine/__init__.py": "",
    "mine/shapes.py": "import torch\nfrom torch import nn\nfrom . import parts\n"
    "from .base import Base\nclass Mine(Base):\n    def forward(self, x):\n"
    "        from deep.inner import late\n        return torch.relu(x)\n",
    "mine/parts.py": "import json, helper\n",
    "mine/base.py": "from torch import nn\nclass Base(nn.Module): pass\n",
    "mine/other.py": "unused = 1\n",
    "helper.py": "import numpy\ntry:\n    import nowhere_at_all\nexcept ImportError:\n    pass\n",
    "deep/inner/late.py": "from ...beyond import anything\n",
    "late.py": "not = imported\n",
}
MADE_OF = {
    *("mine", "mine.shapes", "mine.parts", "mine.base"),
    *("helper", "deep", "deep.inner", "deep.inner.late"),
}


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of modules on the path, which are forgotten behind the test."""
    for name, source in MODULES.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(source)
    monkeypatch.syspath_prepend(tmp_path)
    for name in ("mine", "helper", "code", "bare"):
        for module in [known for known in sys.modules if known.partition(".")[0] == name]:
            monkeypatch.delitem(sys.modules, module)
    importlib.invalidate_caches()
    return tmp_path


def hash_of(path: str) -> str:
    """The hash as another process would find it."""
    sources_of.cache_clear()
    for module in [name for name in sys.modules if name.partition(".")[0] == path.split(".")[0]]:
        del sys.modules[module]
    importlib.invalidate_caches()
    return activation_hash(Activation("mine", path))


def test_a_class_is_made_of_its_module_and_of_all_of_the_user_s_own_that_it_imports(
    own: Path,
) -> None:
    sources = sources_of(find_class(Activation("mine", "mine.shapes.Mine")))  # type: ignore[arg-type]
    assert sources is not None
    assert sources.keys() == MADE_OF
    assert sources["mine.parts"] == MODULES["mine/parts.py"]


@pytest.mark.parametrize(
    "name", ["mine/shapes.py", "mine/base.py", "helper.py", "mine/__init__.py"]
)
def test_an_edit_of_any_of_them_is_another_activation(own: Path, name: str) -> None:
    before = hash_of("mine.shapes.Mine")
    assert hash_of("mine.shapes.Mine") == before
    (own / name).write_text(f"# edited\n{MODULES[name]}")
    assert hash_of("mine.shapes.Mine") != before
    (own / name).write_text(MODULES[name])
    assert hash_of("mine.shapes.Mine") == before


def test_an_edit_of_another_module_is_not(own: Path) -> None:
    before = hash_of("mine.shapes.Mine")
    (own / "mine" / "other.py").write_text("unused = 2\n")
    (own / "late.py").write_text("# of the same name as one within a package\n")
    assert hash_of("mine.shapes.Mine") == before


def test_a_module_that_hides_one_of_python_s_is_the_user_s_own(own: Path) -> None:
    (own / "code.py").write_text("from torch import nn\nclass Mine(nn.Module): pass\n")
    assert hash_of("code.Mine")
    sys.modules.pop("code")


@pytest.mark.parametrize("path", ["torch.nn.ReLU", "torch.nn.modules.activation.ReLU"])
def test_torch_s_own_classes_add_nothing_to_a_signature(path: str) -> None:
    assert activation_hash(Activation("relu", path)) == ""
    assert sources_of(nn.ReLU) == {}  # type: ignore[arg-type]


def test_it_is_a_part_of_a_point_s_signature(own: Path) -> None:
    point = make_point(Activation("mine", "mine.shapes.Mine"))
    signature = signature_of(point, make_data())
    assert signature.activation_code == hash_of("mine.shapes.Mine")
    assert list(unreadable_classes(point, signature)) == []


NETWORK = OwnNetwork("mine.shapes.Mine", (("width", 3),))


def test_a_network_of_one_s_own_is_a_part_of_a_point_s_signature(own: Path) -> None:
    point = make_point()
    signature = signature_of(replace(point, model=NETWORK), make_data())
    assert (signature.activation_code, signature.model_code) == ("", hash_of("mine.shapes.Mine"))
    parts = [signature.config, signature.data, signature.code, "", signature.model_code]
    assert signature.whole == sha256_of(parts)
    both = signature_of(
        replace(point, model=NETWORK, activation=Activation("mine", NETWORK.path)), make_data()
    )
    assert both.activation_code == both.model_code == signature.model_code
    assert signature_of(point, make_data()).model_code == ""


def test_a_network_of_actscope_is_part_of_the_engine(own: Path) -> None:
    assert model_hash(OwnNetwork("actscope.engine.lenet.LeNet")) == ""
    (own / "mine" / "shapes.py").write_text(
        "from actscope.engine.lenet import LeNet\nclass Mine(LeNet): pass\n"
    )
    hash_of("mine.shapes.Mine")
    sources = sources_of(find_class(Activation("mine", "mine.shapes.Mine")))  # type: ignore[arg-type]
    assert sources is not None
    assert sources.keys() == {"mine", "mine.shapes"}


def test_a_class_without_source_is_another_one_in_each_command(
    own: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (own / "bare.py").write_text("from torch import nn\nclass Mine(nn.Module): pass\n")
    py_compile.compile(str(own / "bare.py"), str(own / "bare.pyc"))
    (own / "bare.py").unlink()
    monkeypatch.delenv(own_source.COMMAND, raising=False)
    first = hash_of("bare.Mine")
    point = replace(make_point(), model=OwnNetwork("bare.Mine"))
    signature = signature_of(point, make_data())
    assert list(unreadable_classes(point, signature)) == ["bare.Mine"]
    assert first == hash_of("bare.Mine")
    assert first.startswith("unreadable")
    monkeypatch.delenv(own_source.COMMAND)  # as in another command
    assert first != hash_of("bare.Mine")


def test_a_process_has_the_name_of_the_command_that_starts_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv(own_source.COMMAND, raising=False)
    code = "from actscope.own_source import name_command; print(name_command())"
    name = own_source.name_command()
    words = [sys.executable, "-c", code]
    started = subprocess.run(words, check=True, capture_output=True, text=True)
    assert started.stdout == f"{name}\n"
