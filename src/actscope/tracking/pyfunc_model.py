"""A run's network as an MLflow model, made without pickle and without network access."""

import json
import warnings
from importlib.metadata import version
from pathlib import Path

import numpy as np

from actscope.engine.data import load_data
from actscope.engine.result import RunResult

MODEL = "model"
CODE = Path(__file__).with_name("pyfunc_network.py")
NEEDED_BY_CODE = ("mlflow", "numpy", "pyyaml", "safetensors", "torch")


def save_model(result: RunResult, folder: Path) -> dict[str, str]:
    """Write the model of a run into `model/` of the folder with its other artifacts.

    Returns the tag by which MLflow's UI finds the model.
    """
    with warnings.catch_warnings():
        # MLflow's own types cause warnings when they are imported.
        warnings.filterwarnings("ignore", ".*AnyType", UserWarning)
        from mlflow.models import Model, ModelSignature
        from mlflow.pyfunc import save_model as save
        from mlflow.types import Schema, TensorSpec
        from mlflow.utils.mlflow_tags import MLFLOW_LOGGED_MODELS

    data = load_data(result.point.data)
    number = np.dtype(np.float32)
    model = Model(artifact_path=MODEL)
    save(
        folder / MODEL,
        mlflow_model=model,
        python_model=CODE,
        artifacts={
            "settings": str(folder / "config.yaml"),
            "weights": str(folder / "model.safetensors"),
        },
        signature=ModelSignature(
            Schema([TensorSpec(number, (-1, data.features))]),
            Schema([TensorSpec(number, (-1, data.classes))]),
        ),
        model_config={"function": ""},  # can be set on loading: pyfunc_network.py
        input_example=data.test_x[:1].numpy(),
        pip_requirements=[f"{name}=={version(name).partition('+')[0]}" for name in NEEDED_BY_CODE],
    )
    return {MLFLOW_LOGGED_MODELS: json.dumps([model.get_tags_dict()])}
