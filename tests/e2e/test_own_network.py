"""A mistake in a network of one's own is one line, in a folder that `actscope init` has written."""

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from actscope.commands.init import write_study
from tests.e2e.conftest import Refused

ALONE = ("experiment=mistaken", "activation=relu", "lr=0.1", "seed=0")
GRID = ("-m", *ALONE, "hydra.launcher.workers=0")
CLASS = "mistaken.net.SmallCNN"


@pytest.fixture
def study(refused: Refused, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The folder of a new study, which is the current one."""
    folder = tmp_path / "mistaken"
    folder.mkdir()
    write_study(folder, "mistaken")
    monkeypatch.chdir(folder)
    monkeypatch.syspath_prepend(folder)
    importlib.invalidate_caches()
    yield folder
    for module in ("mistaken", "mistaken.net"):
        sys.modules.pop(module, None)


EDITS = {
    "a syntax error": (
        "(nn.Module):",
        "(nn.Module)",
        f"model: {CLASS} cannot be imported: SyntaxError: expected ':' (net.py, line 8)",
    ),
    "a missing package": (
        "from torch import",
        "import no_such_one\nfrom torch import",
        f"model: {CLASS} cannot be imported: ModuleNotFoundError: No module named 'no_such_one'",
    ),
    "a missing name of a package": (
        "from torch import",
        "from json import no_such_name\nfrom torch import",
        f"model: {CLASS} cannot be imported: ImportError: cannot import name 'no_such_name' from",
    ),
    "another name": ("SmallCNN", "Other", f"model: there is no '{CLASS}' to import"),
    "no module": (
        "(nn.Module)",
        "",
        f"model: {CLASS} is not a class of torch modules",
    ),
    "a constructor that raises": (
        "super().__init__()",
        "raise KeyError('lost')",
        f"model: {CLASS} cannot be constructed: KeyError: 'lost'",
    ),
    "a constructor that exits": (
        "super().__init__()",
        "raise SystemExit(0)",
        f"model: {CLASS} cannot be constructed: SystemExit: 0",
    ),
    "no call of the factory": (
        "= activation()",
        "= nn.ReLU()",
        f"model: {CLASS} never calls `activation()`. Make each of its activations so.",
    ),
    "wrong shapes": (
        "channels[1] * pixels",
        "7",
        f"model: {CLASS} fails for examples of the shape (1, 8, 8): mat1 and mat2 shapes cannot be",
    ),
    "wrong logits": (
        "return logits",
        "return logits[:, 1:]",
        f"model: {CLASS} returns [2, 9] for 2 examples of 10 classes. Return logits of the shape",
    ),
}


@pytest.mark.parametrize("edit", EDITS)
def test_a_mistake_in_a_network_is_told(edit: str, study: Path, refused: Refused) -> None:
    before, after, said = EDITS[edit]
    file = study / "mistaken" / "net.py"
    assert before in file.read_text()
    file.write_text(file.read_text().replace(before, after))
    assert refused(*ALONE).startswith(said)


WORDS = {
    "model=smal_cnn": (
        "model=smal_cnn: there is no model/smal_cnn; did you mean small_cnn? Choose one of "
        "autoencoder, lenet, mlp, residual, small_cnn, transformer."
    ),
    "experiment=mistake": (
        "experiment=mistake: there is no experiment/mistake; did you mean mistaken?"
    ),
    "model.hiden=3": (
        "model.hiden: unknown setting; did you mean model.hidden? Choose one of model._target_, "
        "model.channels, model.hidden."
    ),
    "+model.depth=3": f"model: {CLASS} cannot be constructed: ",
    "model._target_=mistaken.ned.SmallCNN": "model: there is no 'mistaken.ned.SmallCNN' to import",
    "activation=bn_relu,elu": (
        "activation=bn_relu: brings batch normalisation, which a network of your own contains "
        "itself. Choose others, like activation=relu,elu."
    ),
    "tracking.model=true": (
        f"tracking.model=true: works only with the built-in network, not with {CLASS}. Use false:"
    ),
}


@pytest.mark.parametrize("word", WORDS)
def test_a_mistake_in_words_is_told(word: str, study: Path, refused: Refused) -> None:
    assert refused(*GRID, word).startswith(WORDS[word])
