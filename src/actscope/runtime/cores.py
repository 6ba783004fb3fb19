"""The number of cores that this process may use."""

from dask.system import CPU_COUNT  # respects affinity and container limits

__all__ = ["CPU_COUNT"]
