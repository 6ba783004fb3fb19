"""`python -m actscope ui` serves the store, and says in a line when it cannot."""

import json
import os
import re
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from actscope.command_line import suggestions
from actscope.commands.main import main
from tests.e2e.conftest import Run
from tests.support.network import fetch, free_port, wait_until_up


@pytest.fixture
def served(actscope: Run, store_uri: str, tmp_path: Path) -> Iterator[str]:
    done = actscope("train.epochs=1", "model.hidden=[4]", "study=shown")
    assert done.returncode == 0, done.stderr
    port = free_port()
    with (tmp_path / "ui.log").open("w") as log:
        server = subprocess.Popen(
            [sys.executable, "-m", "actscope", "ui", "--port", str(port)],
            env={**os.environ, "MLFLOW_TRACKING_URI": store_uri},
            stdout=log,
            stderr=subprocess.STDOUT,
        )
        try:
            wait_until_up(address := f"http://127.0.0.1:{port}")
            yield address
        finally:
            server.terminate()
            server.wait(timeout=20)


@pytest.mark.slow
def test_the_store_is_served_with_runs_and_artifacts(served: str, tmp_path: Path) -> None:
    told = (tmp_path / "ui.log").read_text()
    link = re.search(r"shown, runs: (\S+/#/experiments/(\d+)/runs)", told)
    assert link is not None
    assert link.group(1).startswith(served)
    query = json.dumps({"experiment_ids": [link.group(2)]}).encode()
    request = urllib.request.Request(  # noqa: S310 - our own server
        f"{served}/api/2.0/mlflow/runs/search",
        data=query,
        headers={"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310
        (run,) = json.load(answer)["runs"]
    assert run["info"]["run_name"] == "relu lr=0.01 seed=0"
    picture = fetch(f"{served}/get-artifact?path=trajectories.svg&run_uuid={run['info']['run_id']}")
    assert picture.startswith(b"<svg")
    assert b"<html" in fetch(served)
    with pytest.raises(urllib.error.HTTPError, match="403"):  # a page elsewhere may not ask it
        urllib.request.urlopen(  # noqa: S310
            urllib.request.Request(served, headers={"Host": "elsewhere.example"}),  # noqa: S310
            timeout=10,
        )
    assert "Warning" not in (tmp_path / "ui.log").read_text()


def test_a_taken_port_is_one_line(
    store_uri: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", store_uri)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        assert main(["ui", "--port", str(taken.getsockname()[1])]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert "cannot be used" in line


def test_a_wrong_word_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["ui", "--port", "abc"]) == 2
    assert capsys.readouterr().err == (
        "actscope: argument --port: invalid int value: 'abc'. See "
        f"`{suggestions.python('-m', 'actscope', 'ui', '--help')}`.\n"
    )
