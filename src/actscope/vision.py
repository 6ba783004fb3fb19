"""The one door to torchvision, which may be built for CUDA beside a torch that is not."""

from types import ModuleType

import torch

# torch keeps a library's operators only as long as the library object lives.
_placeholders: list[torch.library.Library] = []


def datasets() -> ModuleType:
    """`torchvision.datasets`, importable whichever torch stands beside it.

    A CUDA build of torchvision on a CPU-only torch cannot load its compiled operators, and its
    import dies on two that it describes: https://github.com/pytorch/vision/issues/9085.
    Declared beforehand, and never called here, they let the import pass.
    """
    try:
        import torchvision.datasets
    except RuntimeError as error:
        if "torchvision::nms does not exist" not in str(error):
            raise
        _declare_missing_operators()
        import torchvision.datasets
    module: ModuleType = torchvision.datasets
    return module


def _declare_missing_operators() -> None:
    library = torch.library.Library("torchvision", "DEF")
    for operator in ("nms", "qnms"):
        library.define(f"{operator}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    _placeholders.append(library)
