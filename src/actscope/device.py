"""What trains: the processor, or a graphics card."""

import torch
from dask.system import CPU_COUNT

from actscope.config import Device
from actscope.errors import ConfigError

CPU = torch.device("cpu")
WRITERS_THAT_PAY = 12  # a tenth of what tracking a run takes it has the database for itself
USABLE = 0.8  # of a card's free memory: the rest is for what the allocator cannot use


def choose_device(wanted: Device) -> torch.device:
    """The device of that name; `auto` is a card where there is one.

    Raises:
        ConfigError: there is no card.

    """
    if wanted == "cpu" or (wanted == "auto" and not torch.cuda.is_available()):
        return CPU
    if not torch.cuda.is_available():
        raise ConfigError(
            f"device=cuda: torch {torch.__version__} sees no GPU here; give device=cpu, or install "
            "a torch that is built for yours"
        )
    return torch.device("cuda")


def name_of(device: torch.device) -> str:
    return device.type if device == CPU else torch.cuda.get_device_name(device)


def workers_for(device: torch.device) -> int:
    """As many as there are cores, or cards."""
    return CPU_COUNT if device == CPU else torch.cuda.device_count()


def writers_for(device: torch.device) -> int:
    """As many as there are cores beside a card; none where the cores train."""
    return 0 if device == CPU else min(CPU_COUNT, WRITERS_THAT_PAY)


def take_card(number: int) -> None:
    """Let this process train on the card of that number, counted round and round."""
    torch.cuda.set_device(number % torch.cuda.device_count())


def free_bytes(device: torch.device) -> float:
    """Memory of a card that a stack may take."""
    free, _ = torch.cuda.mem_get_info(device)
    return USABLE * free
