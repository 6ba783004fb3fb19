"""The only import of torchvision, which may be a CUDA build while torch is CPU-only."""

from importlib import import_module
from types import ModuleType

import torch

# The operators of a library exist only as long as its object.
_placeholders: list[torch.library.Library] = []


def datasets() -> ModuleType:
    """`torchvision.datasets`."""
    return _imported("torchvision.datasets")


def transforms() -> ModuleType:
    """`torchvision.transforms`."""
    return _imported("torchvision.transforms")


def _imported(name: str) -> ModuleType:
    """Import a module of torchvision, even a CUDA build with a CPU-only torch.

    Such a build cannot load its compiled operators, and its import fails at two of them:
    https://github.com/pytorch/vision/issues/9085. Declared here, and never called, they let the
    import succeed.
    """
    try:
        return import_module(name)
    except RuntimeError as error:
        if "torchvision::nms does not exist" not in str(error):
            raise
        _declare_missing_operators()
        return import_module(name)


def _declare_missing_operators() -> None:
    library = torch.library.Library("torchvision", "DEF")
    for operator in ("nms", "qnms"):
        library.define(f"{operator}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    _placeholders.append(library)
