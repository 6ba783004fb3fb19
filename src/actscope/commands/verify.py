"""Train a finished point again and compare all numbers: `python -m actscope verify study=NAME`."""

import random
import socket
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import yaml
from rich.console import Console

from actscope import tracking
from actscope.analysis.known_classes import check_known
from actscope.command_line import suggestions
from actscope.commands.run_differences import arrays_of, differences
from actscope.commands.settings import VerifySettings
from actscope.config import Point
from actscope.engine.data import load_data
from actscope.engine.device import CPU, choose_device, name_of
from actscope.engine.images import as_found_here, tensor_sha256
from actscope.engine.result import RunResult
from actscope.engine.train import train_stack
from actscope.errors import ConfigError, StoreError, first_line
from actscope.parsing import parse_settings
from actscope.sweep.console import Progress
from actscope.sweep.stacks import check_trainable, run_steps_of
from actscope.tracking import RunSummary, Store
from actscope.tracking.artifact_folder import artifact_folder
from actscope.tracking.platform import current_platform
from actscope.tracking.signature import changed_parts, signature_of


def run(settings: VerifySettings) -> int:
    """Print whether a run's numbers are identical, or where they differ; the exit code."""
    store = tracking.locate_store(settings.tracking)
    console = Console(highlight=False, markup=False, soft_wrap=True)
    with tracking.store_errors(store.location):
        attempts = _attempts(store, settings.study)
        attempt = choose_run(store, settings, attempts)
    with artifact_folder(store, settings.study, attempt.run_id) as folder:
        point = read_point(attempt, folder, store)
        used_gpu = attempt.platform.get("device", CPU) != CPU
        device = choose_device("auto" if used_gpu else "cpu")
        result = _train(point, device)
        found = differences(folder, result)
    run = f"run {attempt.run_id}, {attempt.name}"
    if found:
        console.print(f"different: {run}: {'; '.join(found)}")
    else:
        sha256 = tensor_sha256(arrays_of(result.trajectory).values())
        console.print(f"identical: {run}: SHA-256 of the trajectory's numbers {sha256}")
    if changes := changes_since(attempt, attempts, point, device, is_same=not found):
        console.print(f"changed since its training: {', '.join(changes)}")
    return 1 if found else 0


def _attempts(store: Store, study: str) -> list[RunSummary]:
    return tracking.read_summaries(store, store.find_experiment(study).experiment_id)


def choose_run(
    store: Store, settings: VerifySettings, attempts: Sequence[RunSummary]
) -> RunSummary:
    """The finished run that the settings name, or a random one.

    Raises:
        StoreError: there is no finished run, or the named run is not one.

    """
    study = settings.study
    points = [attempt for attempt in attempts if attempt.tags.get("kind") == "point"]
    if settings.run is None:
        finished = [attempt for attempt in points if attempt.is_finished]
        if not finished:
            raise StoreError(
                f"study={study}: none of its {len(points)} runs is finished. Run "
                f"`{suggestions.training(study, store)}` to train its points."
            )
        return random.SystemRandom().choice(finished)
    for attempt in points:
        if attempt.run_id == settings.run:
            if not attempt.is_finished:
                raise StoreError(f"run={settings.run}: is {attempt.status}. Give a finished run.")
            return attempt
    if any(attempt.run_id == settings.run for attempt in attempts):
        raise StoreError(f"run={settings.run}: is a sweep. Give the run of a point.")
    for other in store.studies():
        if other != study and any(a.run_id == settings.run for a in _attempts(store, other)):
            raise StoreError(f"run={settings.run}: belongs to study {other}. Give study={other}.")
    raise StoreError(f"run={settings.run}: tracking store {store} has no such run. Correct the id.")


def read_point(attempt: RunSummary, folder: Path, store: Store) -> Point:
    """Rebuild the point that a run trained.

    Raises:
        StoreError: its configuration cannot be read.
        ConfigError: this version cannot train it.

    """
    path = folder / "config.yaml"
    try:
        settings = yaml.safe_load(path.read_text(encoding="utf-8"))
        if not isinstance(settings, dict):
            raise ValueError("it has no settings")
    except (OSError, ValueError, RecursionError, yaml.YAMLError) as error:
        raise StoreError(
            f"run {attempt.run_id}: its config.yaml cannot be read ({first_line(error)}). "
            f"`{suggestions.command('doctor', store=store)}` checks the store."
        ) from error
    try:
        point = parse_settings(settings)
        check_known(point.data)
        point = replace(point, data=as_found_here(point.data))
        check_known(point.activation)
        check_known(point.model)
        check_trainable(point, load_data(point.data))
    except ConfigError as error:
        raise ConfigError(f"config.yaml of run {attempt.run_id}: {error}") from error
    return point


def _train(point: Point, device: str) -> RunResult:
    with Progress(Console(stderr=True, highlight=False), [run_steps_of([point])]) as progress:
        (result,) = train_stack(
            [point], load_data(point.data), device=device, on_step=progress.follow(0)
        )
    return result


def changes_since(
    attempt: RunSummary,
    attempts: Sequence[RunSummary],
    point: Point,
    device: str,
    is_same: bool,
) -> list[str]:
    """What has changed since a run was trained, and may explain different numbers.

    If its numbers are identical (`is_same`), changes that are only possible are left out.
    """
    now = signature_of(point, load_data(point.data))
    changes = list(changed_parts(attempt.signature, now))
    before = attempt.platform
    if before:
        changes += [
            f"{part} ({before.get(part)} then, {version} now)"
            for part, version in current_platform(name_of(device)).items()
            if before.get(part) != version
        ]
    elif not is_same:
        changes.append("possibly versions of libraries, which the run does not record")
    sweep = attempt.tags.get("sweep")
    hosts = {a.tags.get("host") for a in attempts if a.is_sweep and a.tags.get("sweep") == sweep}
    host = attempt.tags.get("host") or next(iter(hosts), None)
    if not is_same and device != CPU:
        changes.append(
            "possibly the other points of its stack, which affect the last bits on a GPU"
        )
    if not is_same and host not in (None, socket.gethostname()):
        changes.append(f"the machine ({host} then, {socket.gethostname()} now)")
    return changes
