"""What a grid is trained with, as a user gives it. Light, as the Hydra plug-in imports it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class LauncherSettings:
    """The settings of `hydra.launcher`: see ActscopeLauncherConf."""

    workers: int | None = None
    stack_size: int | None = None
    scheduler: str | None = None
    cluster: Mapping[str, Any] | None = None
    writers: int | None = None
