"""Rows as tracking.read_runs gives them, written more shortly."""

from collections.abc import Mapping

from actscope.tracking import METRICS, PARAMS

ABOUT = {
    *("run_id", "name", "status", "started", "ended", "outcome", "reason", "sweep", "commit"),
    *("dirty", "signature", "signature.config", "signature.data", "signature.code", "pack"),
}

# What rows of finished runs have in common where nothing else matters.
FINISHED: Mapping[str, object] = {
    "status": "FINISHED",
    "started": 0,
    "ended": 1.0,
    "outcome": "learned",
    "reason": None,
    "sweep": "s",
    "signature": "",
    "signature.config": "",
    "signature.data": "",
    "signature.code": "",
    "pack": None,
    "commit": "c",
    "dirty": "false",
}


def as_read(run: Mapping[str, object]) -> dict[str, object]:
    """A run whose settings and metrics go by their own names; a metric's has a slash."""
    return {_column(name): value for name, value in run.items()}


def _column(name: str) -> str:
    if name in ABOUT:
        return name
    return f"{METRICS if '/' in name else PARAMS}{name}"
