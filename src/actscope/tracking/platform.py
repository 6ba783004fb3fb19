"""What can change the last bits of a run's numbers, apart from code and data."""

import platform
from collections.abc import Mapping
from functools import cache

import numpy as np
import torch

from actscope.engine.device import CPU


@cache
def current_platform(device: str = CPU) -> Mapping[str, str]:
    """Versions of libraries, the processor, and the name of the device."""
    return {
        "python": platform.python_version(),
        "torch": torch.__version__,
        "numpy": np.__version__,
        "processor": f"{platform.machine()} {torch.backends.cpu.get_cpu_capability()}",
        "device": device,
    }
