"""Rows as tracking.read_runs gives them, written more shortly."""

from collections.abc import Mapping

from actscope.tracking import METRICS, PARAMS

ABOUT = {
    *("run_id", "name", "status", "started", "ended", "outcome", "reason", "sweep", "commit"),
    *("dirty", "signature", "signature.config", "signature.data", "signature.code", "pack"),
}


def as_read(run: Mapping[str, object]) -> dict[str, object]:
    """A run whose settings and metrics go by their own names; a metric's has a slash."""
    return {_column(name): value for name, value in run.items()}


def _column(name: str) -> str:
    if name in ABOUT:
        return name
    return f"{METRICS if '/' in name else PARAMS}{name}"
