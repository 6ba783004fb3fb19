"""MNIST-1D as its package generates it."""

import random
from pathlib import Path
from unittest.mock import Mock

import numpy as np
import pytest
import torch

from actscope.config import DataSource
from actscope.engine import mnist1d
from actscope.engine.data import load_data
from actscope.engine.images import KNOWN_SHA256, as_found_here, describe_data
from actscope.errors import DataError


def test_it_is_generated_once_as_its_authors_publish_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """https://github.com/greydanus/mnist1d/blob/master/mnist1d_data.pkl begins like this."""
    source = DataSource("mnist1d", str(tmp_path))
    pythons, numpys = random.getstate(), np.random.get_state()  # noqa: NPY002 - the package's
    data = load_data(source)
    assert random.getstate() == pythons
    for now, before in zip(np.random.get_state(), numpys, strict=True):  # noqa: NPY002
        assert np.array_equal(now, before)

    assert data.sha256 == KNOWN_SHA256["mnist1d"]
    assert (data.train_x.shape, data.test_x.shape) == ((4000, 40), (1000, 40))
    assert data.train_x[0, :3].tolist() == pytest.approx([-0.332, -0.4719, -0.7787])
    assert data.train_y[:5].tolist() == [2, 6, 4, 5, 6]
    assert data.train_y.bincount().tolist() == [398, 396, 411, 394, 394, 402, 401, 404, 402, 398]

    monkeypatch.setattr(mnist1d, "generate", Mock(side_effect=AssertionError))
    assert torch.equal(load_data.__wrapped__(source).test_x, data.test_x)
    described = describe_data(DataSource("mnist1d", str(tmp_path), train_size=1000))
    assert (described.examples, described.features, described.classes) == (1000, 40, 10)
    assert as_found_here(source) == source


def test_a_copy_that_is_not_here_is_looked_for_in_the_default_folder() -> None:
    assert as_found_here(DataSource("mnist1d", "elsewhere")) == DataSource("mnist1d")


def test_other_data_than_the_recorded_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mnist1d, "generate", lambda: (np.zeros(1),))
    with pytest.raises(DataError) as caught:
        load_data(DataSource("mnist1d", str(tmp_path)))
    (line,) = str(caught.value).splitlines()
    assert line.startswith("data=mnist1d: the installed mnist1d does not hold the genuine data set")
    assert line.endswith(" Install mnist1d again, at the version of constraints.txt.")
