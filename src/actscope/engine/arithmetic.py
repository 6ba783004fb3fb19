"""What keeps the last bits of a run the same."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

import torch

# Without it the last bits of MKL's products depend on a run's place in memory if minibatches have
# an odd size. MKL reads it at its first product; it costs no time.
os.environ.setdefault("MKL_CBWR", "AUTO")
# Without it the last bits of cuBLAS's products may differ between executions (torch's docs).
os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")


@contextmanager
def steady_arithmetic() -> Iterator[None]:
    """Use one thread, so that sums keep their order; flush denormals, which slow failing runs."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    try:
        yield
    finally:
        torch.set_flush_denormal(False)
        torch.set_num_threads(threads)
