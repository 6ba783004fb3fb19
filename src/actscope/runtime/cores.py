"""The number of cores that this process may use."""

import math
import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path


def usable_cores(root: Path = Path("/")) -> int:
    """The cores of this process's affinity, or fewer where its container has a lower limit.

    `root`: the folder with sys/fs/cgroup and proc/self/cgroup. A fraction of a core counts as one.
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return min([cores or 1, *(math.ceil(limit) for limit in _limits(root))])


def _limits(root: Path) -> Iterator[float]:
    """Limits on the processor time of this process's control group, in cores."""
    groups = root / "sys/fs/cgroup"
    with suppress(OSError, ValueError):  # version 2; the text is `max` where there is no limit
        own = (root / "proc/self/cgroup").read_text().strip().rpartition(":")[2]
        quota, period = (groups / own.strip("/") / "cpu.max").read_text().split()
        yield int(quota) / int(period)
    for version_1 in ("cpuacct,cpu", "cpu,cpuacct"):
        with suppress(OSError, ValueError):  # -1 where there is no limit
            quota, period = (
                (groups / version_1 / f"cpu.cfs_{name}_us").read_text()
                for name in ("quota", "period")
            )
            if int(quota) > 0:
                yield int(quota) / int(period)


CPU_COUNT = usable_cores()
