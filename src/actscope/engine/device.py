"""The device of the training: CPU or GPU."""

import torch

from actscope.config import Device
from actscope.errors import ConfigError

CPU = torch.device("cpu")


def choose_device(wanted: Device) -> torch.device:
    """The device of this name; `auto` is a GPU if there is one.

    Raises:
        ConfigError: there is no GPU.

    """
    if wanted == "cpu" or (wanted == "auto" and not torch.cuda.is_available()):
        return CPU
    if not torch.cuda.is_available():
        raise ConfigError(
            f"device=cuda: torch {torch.__version__} finds no GPU. Use device=cpu, or install a "
            "torch that supports your GPU."
        )
    return torch.device("cuda")


def name_of(device: torch.device) -> str:
    return device.type if device == CPU else torch.cuda.get_device_name(device)
