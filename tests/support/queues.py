"""Tests of the offline queue, apart from the project's own."""

from pathlib import Path

import pytest

from actscope.tracking import offline_queue


def isolate_queue(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    """No store is known as unreachable, a server's queue is in the folder."""
    monkeypatch.setattr(offline_queue, "_next_try", {})
    monkeypatch.setattr(offline_queue, "_refusals", set())
    monkeypatch.setattr("actscope.tracking.location.MLRUNS", folder)
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR", "0")
