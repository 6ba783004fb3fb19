"""How many cores this process may use."""

from dask.system import CPU_COUNT  # heeds affinity and the limits of containers

__all__ = ["CPU_COUNT"]
