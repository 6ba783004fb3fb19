"""System metrics of the machine while a sweep runs, by MLflow's own monitor."""

from collections.abc import Iterator
from contextlib import contextmanager

from actscope.tracking.store import Store


@contextmanager
def system_metrics_logged(store: Store, run_id: str | None) -> Iterator[None]:
    """Log use of processor, memory, disk and network to a run; without a run, do nothing."""
    if run_id is None:
        yield
        return
    from mlflow.system_metrics.system_metrics_monitor import SystemMetricsMonitor

    monitor = SystemMetricsMonitor(run_id, tracking_uri=store.uri)  # type: ignore[no-untyped-call]
    monitor.start()  # type: ignore[no-untyped-call]
    try:
        yield
    finally:
        monitor.finish()  # type: ignore[no-untyped-call]
