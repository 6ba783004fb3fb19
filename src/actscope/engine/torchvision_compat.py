"""The one door to torchvision, which may be built for CUDA beside a torch that is not."""

from importlib import import_module
from types import ModuleType

import torch

# torch keeps a library's operators only as long as the library object lives.
_placeholders: list[torch.library.Library] = []


def datasets() -> ModuleType:
    """`torchvision.datasets`."""
    return _imported("torchvision.datasets")


def transforms() -> ModuleType:
    """`torchvision.transforms`."""
    return _imported("torchvision.transforms")


def _imported(name: str) -> ModuleType:
    """A module of torchvision, importable whichever torch stands beside it.

    A CUDA build of torchvision on a CPU-only torch cannot load its compiled operators, and its
    import dies on two that it describes: https://github.com/pytorch/vision/issues/9085.
    Declared beforehand, and never called here, they let the import pass.
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
