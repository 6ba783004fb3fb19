"""The user's settings of a sweep's workers. Imports little, as the Hydra plug-in loads it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class LauncherSettings:
    """The settings of `hydra.launcher`; ActscopeLauncherConf explains them."""

    workers: int | None = None
    stack_size: int | None = None
    scheduler: str | None = None
    cluster: Mapping[str, Any] | None = None
    writers: int | None = None
