"""What finished runs carry on request: a model for MLflow, and a page of trajectories."""

import os
import socket
import sys
from multiprocessing import get_context
from pathlib import Path

import mlflow
import numpy as np
import pytest
import torch

from actscope import tracking
from actscope.config import Activation, Extras
from actscope.engine.data import load_data
from actscope.engine.layers import Inputs
from actscope.engine.model import StackedMLP
from actscope.engine.result import RunResult
from actscope.engine.train import train_stack
from actscope.sweep.worker import finish_run
from actscope.tracking import Store, offline_queue, repair, run_record
from actscope.tracking.pyfunc_model import CODE
from tests.support.making import BN_RELU, ELU, PRELU, RELU, make_point
from tests.support.tracked import STUDY, begin, begin_sweep, log, new_store

BOTH = Extras(model=True, plotly=True)
MODEL_FILES = {
    "MLmodel",
    "artifacts/config.yaml",
    "artifacts/model.safetensors",
    "conda.yaml",
    "input_example.json",
    "pyfunc_network.py",
    "python_env.yaml",
    "requirements.txt",
    "serving_input_example.json",
}


def predict_elsewhere(folder: Path, images: Path, logits: Path) -> None:
    """Use a model where there is neither actscope nor a network, in a process made for it."""

    def refuse(*_: object) -> None:
        raise OSError("there is no network")

    sys.modules |= {name: None for name in sys.modules if name.startswith("actscope")}
    socket.socket.connect = refuse
    os.chdir(images.parent)
    np.save(logits, mlflow.pyfunc.load_model(str(folder)).predict(np.load(images)))


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    store = new_store(tmp_path)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", store.uri)  # whom runs:/ is asked of
    return store


def train(activation: Activation, lr: float = 0.003) -> RunResult:
    point = make_point(activation, lr=lr, hidden=(6, 5), epochs=3, batch_size=100, every="epoch")
    return train_stack([point], load_data(point.data))[0]


def logged(store: Store, result: RunResult, extras: Extras = BOTH) -> str:
    """Id of the result's run in a sweep that asks for extras."""
    return log(store, begin_sweep(store, [result], extras=extras), result)


def engine_logits(result: RunResult) -> np.ndarray:
    """What the engine makes of the test images, with a run's tensors put back into it."""
    data = load_data(result.point.data)
    network = StackedMLP([result.point], data.features, data.classes, torch.float32)
    for name, tensor in network.state().items():
        value = result.state[name.partition("@")[0]]
        tensor.copy_((value.T if value.ndim == 2 else value).reshape(tensor.shape))
    with torch.no_grad():
        logits = network.forward(Inputs.of_all(data.test_x, 1), training=False).logits
    return logits[0].numpy()


@pytest.mark.parametrize("activation", [RELU, ELU, PRELU, BN_RELU], ids=lambda a: a.name)
def test_a_model_gives_the_logits_of_the_engine(store: Store, activation: Activation) -> None:
    result = train(activation)
    data = load_data(result.point.data)
    run_id = logged(store, result)
    model = mlflow.pyfunc.load_model(f"runs:/{run_id}/model")
    logits = model.predict(data.test_x.numpy())
    np.testing.assert_allclose(logits, engine_logits(result), rtol=1e-4, atol=1e-5)
    accuracy = (logits.argmax(1) == data.test_y.numpy()).mean()
    recorded = store.client.get_run(run_id).data.metrics["test/accuracy_final"]
    assert accuracy == pytest.approx(recorded, abs=1e-6)


@pytest.mark.parametrize("name", ["Swish", "Scaled"])
def test_a_model_imports_a_class_only_if_who_loads_it_names_it(store: Store, name: str) -> None:
    path = f"tests.support.own_functions.{name}"
    result = train(Activation("mine", path))
    address = f"runs:/{logged(store, result)}/model"
    with pytest.raises(ValueError, match=f"'{path}': not a class of torch.nn"):
        mlflow.pyfunc.load_model(address)
    with pytest.raises(ValueError, match=f"'{path}': not a class of torch.nn"):
        mlflow.pyfunc.load_model(address, model_config={"function": "tests.support.Other"})
    model = mlflow.pyfunc.load_model(address, model_config={"function": path})
    logits = model.predict(load_data(result.point.data).test_x.numpy())
    np.testing.assert_allclose(logits, engine_logits(result), rtol=1e-4, atol=1e-5)


def test_a_model_tells_what_it_takes_and_gives(store: Store) -> None:
    run_id = logged(store, train(RELU))
    told = mlflow.models.get_model_info(f"runs:/{run_id}/model")
    (images,), (logits,) = told.signature.inputs, told.signature.outputs
    assert (images.type, images.shape) == (np.float32, (-1, 64))
    assert (logits.type, logits.shape) == (np.float32, (-1, 10))
    model = mlflow.pyfunc.load_model(f"runs:/{run_id}/model")
    example = model.input_example
    np.testing.assert_array_equal(example, load_data(make_point().data).test_x[:1])
    assert model.predict(example).shape == (1, 10)
    with pytest.raises(mlflow.MlflowException, match="Shape of input"):
        model.predict(example[:, 1:])
    # By this tag MLflow's UI knows that the folder is a model.
    history = store.client.get_run(run_id).data.tags["mlflow.log-model.history"]
    assert '"artifact_path": "model"' in history


def test_a_model_needs_no_pickle_and_neither_actscope_nor_a_network(
    store: Store, tmp_path: Path
) -> None:
    result = train(BN_RELU)
    folder = store.artifact_path(STUDY, logged(store, result), "model")
    files = {p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file()}
    assert files == MODEL_FILES
    assert (folder / "pyfunc_network.py").read_text() == CODE.read_text()
    requirements = (folder / "requirements.txt").read_text().splitlines()
    assert [line.partition("==")[0] for line in requirements] == [
        *("mlflow", "numpy", "pyyaml", "safetensors", "torch")
    ]
    images, logits = tmp_path / "images.npy", tmp_path / "logits.npy"
    np.save(images, load_data(result.point.data).test_x.numpy())
    # Forked: to import MLflow and torch takes seconds.
    user = get_context("fork").Process(target=predict_elsewhere, args=(folder, images, logits))
    user.start()
    user.join(60)
    assert user.exitcode == 0
    np.testing.assert_allclose(np.load(logits), engine_logits(result), rtol=1e-4, atol=1e-5)


def test_a_diverged_run_has_a_model_that_says_so(store: Store) -> None:
    result = train(ELU, lr=1e20)
    assert result.diverged_at is not None
    model = mlflow.pyfunc.load_model(f"runs:/{logged(store, result)}/model")
    assert not np.isfinite(model.predict(load_data(result.point.data).test_x.numpy())).all()


@pytest.mark.parametrize("extras", [Extras(), Extras(model=True), Extras(plotly=True), BOTH])
def test_a_run_carries_what_was_asked_for_with_its_hash(store: Store, extras: Extras) -> None:
    run_id = logged(store, train(RELU), extras)
    hashes = run_record.logged_artifacts(store.client.get_run(run_id).data.tags)
    assert hashes is not None
    assert ("trajectories.html" in hashes) == extras.plotly
    models = {name for name in hashes if name.startswith("model/")}
    assert models == ({f"model/{name}" for name in MODEL_FILES} if extras.model else set())
    assert len(hashes) == 8 + extras.plotly + len(models)
    folder = store.artifact_path(STUDY, run_id, ".")
    assert repair.find_damage(folder, hashes) == ""


def test_a_run_that_waited_for_its_store_brings_its_extras_along(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    result = train(RELU)
    sweep = begin_sweep(store, [result], extras=BOTH)
    with monkeypatch.context() as patch:
        patch.setattr(tracking.run_writer, "is_known_unreachable", lambda _: True)
        finish_run(store, begin(store, sweep, result), result)
    assert len(tracking.read_runs(store, STUDY)) == 0
    offline_queue.deliver_queued(store)
    (run_id,) = tracking.read_runs(store, STUDY)["run_id"]
    assert store.artifact_path(STUDY, run_id, "trajectories.html").exists()
    model = mlflow.pyfunc.load_model(f"runs:/{run_id}/model")
    assert model.predict(np.zeros((2, 64), np.float32)).shape == (2, 10)
