"""The device of the training by name: CPU or GPU. Torch is asked only where there may be a GPU."""

from pathlib import Path

from actscope.errors import ConfigError
from actscope.setting_types import Device

CPU = "cpu"
CUDA = "cuda"
# Files of the drivers for NVIDIA's cards, for AMD's, and for those of a Windows host.
DRIVERS = ("/dev/nvidiactl", "/dev/kfd", "/dev/dxg")


def choose_device(wanted: Device) -> str:
    """The device of this name; `auto` is a GPU if there is one.

    Raises:
        ConfigError: there is no GPU.

    """
    if wanted == CPU or (wanted == "auto" and not any(Path(file).exists() for file in DRIVERS)):
        return CPU
    import torch  # it takes seconds, and workers import it in time

    if torch.cuda.is_available():
        return CUDA
    if wanted == "auto":
        return CPU
    raise ConfigError(
        f"device=cuda: torch {torch.__version__} finds no GPU. Use device=cpu, or install a "
        "torch that supports your GPU."
    )


def name_of(device: str) -> str:
    """The name of a device with its model; of a CPU just `cpu`."""
    if device == CPU:
        return device
    import torch

    return torch.cuda.get_device_name(device)
