"""The network of a run as MLflow loads it. Each model has a copy of this file.

The file needs no actscope. A model is code: load one only from people whom you trust. A user's own
class is imported only if it is named: `load_model(uri, model_config={"function": "own.Mine"})`.
"""

import pkgutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml
from mlflow.models import set_model
from mlflow.pyfunc.model import PythonModel, PythonModelContext
from safetensors.torch import load_file
from torch import Tensor, nn


class Network(PythonModel):
    """Logits [N, classes] of examples [N, features], both float32."""

    def load_context(self, context: PythonModelContext) -> None:
        settings = yaml.safe_load(Path(context.artifacts["settings"]).read_text())
        allowed = (context.model_config or {}).get("function")
        self.network = build(settings, load_file(context.artifacts["weights"]), allowed)

    def predict(
        self,
        context: PythonModelContext,  # noqa: ARG002 - MLflow passes it
        model_input: np.ndarray,  # MLflow warns about every other annotation, and about none
        params: dict[str, Any] | None = None,  # noqa: ARG002
    ) -> np.ndarray:
        with torch.no_grad():
            logits: Tensor = self.network(torch.tensor(model_input))
        return logits.numpy()


def build(
    settings: Mapping[str, Any], state: Mapping[str, Tensor], allowed: str | None = None
) -> nn.Sequential:
    """The network of a run's config.yaml, with the tensors of its model.safetensors.

    `allowed`: a class that may be imported in addition to torch.nn's.
    """
    layers = dict(_layers(settings, state, allowed))
    for name, module in layers.items():
        own = {
            key: state[f"{name}.{key}"].view_as(value)
            for key, value in module.state_dict().items()
            if f"{name}.{key}" in state  # others are constants, or used in training only
        }
        module.load_state_dict(own, strict=False)
    return nn.Sequential(*layers.values()).eval()


def _layers(
    settings: Mapping[str, Any], state: Mapping[str, Tensor], allowed: str | None
) -> Iterator[tuple[str, nn.Module]]:
    """The modules of a network, by the prefixes of its tensors' names."""
    activation = settings["activation"]
    arguments = dict(activation["function"])
    function = _find_class(arguments.pop("_target_"), allowed)
    last = 1 + len(settings["model"]["hidden"])
    for number in range(1, last + 1):
        name = f"layer{number}"
        fan_out, fan_in = state[f"{name}.weight"].shape
        yield name, nn.Linear(fan_in, fan_out)
        if number < last:
            if activation["batch_norm"]:
                yield f"{name}.norm", nn.BatchNorm1d(fan_out)
            yield f"{name}.function", function(**arguments)


def _find_class(path: str, allowed: str | None) -> type[nn.Module]:
    package, _, name = path.rpartition(".")
    kind = getattr(nn, name, None) if package == "torch.nn" else None
    if kind is None and allowed and path == allowed:
        kind = pkgutil.resolve_name(path)
    if not (isinstance(kind, type) and issubclass(kind, nn.Module)):
        raise ValueError(
            f"activation.function._target_={path!r}: not a class of torch.nn. If you trust its "
            f"code, load the model with model_config={{'function': {path!r}}}"
        )
    return kind


set_model(Network())
