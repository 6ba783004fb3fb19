"""Checkpoints: an interrupted training comes to the numbers of one that was left in peace."""

import contextlib
import errno
import logging
import multiprocessing
import os
import signal
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import pairwise
from multiprocessing.connection import Connection
from pathlib import Path
from typing import NoReturn

import pandas as pd
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from actscope.artifacts.parquet import write_parquet
from actscope.config import Activation, Point
from actscope.engine.minibatches import shuffled_rows
from actscope.engine.result import Outcome, RunResult
from actscope.engine.train import Training, train_stack
from actscope.sweep.checkpoint import Checkpoint
from actscope.sweep.saved_stacks import saved_stacks
from tests.support.making import BN_RELU, ELU, PRELU, RELU, TANH, make_data, make_point

DATA = make_data()  # 95 examples: at 20 a minibatch, an epoch is four of 20 and one of 15
EPOCHS = 4
STEPS = 20

GELU = Activation("gelu", "torch.nn.GELU")
STEEP_PRELU = Activation("steep_prelu", "torch.nn.PReLU", (("init", 0.5),))
BN_TANH = Activation("bn_tanh", "torch.nn.Tanh", batch_norm=True)


class StoppedError(Exception):
    """Raised where a test interrupts a training."""


def signatures_of(points: Sequence[Point]) -> list[str]:
    return [repr(point) for point in points]


def checkpoint_of(points: Sequence[Point], folder: Path, seconds: float = 0.0) -> Checkpoint:
    return Checkpoint(folder, signatures_of(points), seconds)


def train(points: Sequence[Point], checkpoint: Checkpoint | None = None) -> list[RunResult]:
    return train_stack(points, DATA, checkpoint=checkpoint)


def steps_of(points: Sequence[Point], checkpoint: Checkpoint, stop: int | None = None) -> list[int]:
    """The steps of a training that is interrupted at step `stop`, if it comes there."""
    steps: list[int] = []

    def on_step(step: int) -> None:
        steps.append(step)
        if step == stop:
            raise StoppedError

    with contextlib.suppress(StoppedError):
        train_stack(points, DATA, dtype=checkpoint.dtype, on_step=on_step, checkpoint=checkpoint)
    return steps


def assert_same_bits(results: Sequence[RunResult], expected: Sequence[RunResult]) -> None:
    for result, other in zip(results, expected, strict=True):
        assert result.point == other.point
        assert (result.outcome, result.diverged_at) == (other.outcome, other.diverged_at)
        for name in ("history", "trajectory", "probe", "layers"):
            pd.testing.assert_frame_equal(
                getattr(result, name), getattr(other, name), check_exact=True
            )
        assert_same_tensors(result.state, other.state)


def assert_same_tensors(state: dict[str, Tensor], expected: dict[str, Tensor]) -> None:
    assert state.keys() == expected.keys()
    for name, value in expected.items():
        assert state[name].dtype == value.dtype
        assert state[name].shape == value.shape
        # As bytes, since the weights of a diverged run are not numbers, and equal nothing.
        assert state[name].numpy().tobytes() == value.numpy().tobytes(), name


# Interrupted and taken up again

STACKS = {
    "article": [make_point(f, lr=lr, epochs=EPOCHS) for f in (TANH, RELU) for lr in (0.01, 0.001)],
    "momentum": [
        make_point(f, lr=0.002, epochs=EPOCHS, momentum=0.9, weight_decay=0.01, hidden=(12, 10))
        for f in (RELU, BN_RELU, PRELU)
    ],
    "own_tensors": [  # twice each: batch normalisation, and functions with parameters
        make_point(f, lr=0.01, epochs=EPOCHS, hidden=(32, 7))
        for f in (BN_RELU, PRELU, BN_TANH, STEEP_PRELU)
    ],
    "seeds": [
        make_point(f, seed=s, epochs=EPOCHS, momentum=0.5) for s in (2, 0, 1) for f in (ELU, PRELU)
    ],
    "seldom": [
        make_point(f, epochs=EPOCHS, every=3, probe_every=7, reduction="mean") for f in (RELU, GELU)
    ],
    "by_epoch": [make_point(f, epochs=EPOCHS, every="epoch") for f in (BN_RELU, RELU)],
    "float64": [make_point(f, epochs=EPOCHS, momentum=0.9) for f in (BN_RELU, PRELU)],
}


@pytest.fixture(scope="module", params=STACKS)
def stack(request):
    """Points, their dtype, and what comes of them uninterrupted, without checkpoints."""
    points = STACKS[request.param]
    dtype = torch.float64 if request.param == "float64" else torch.float32
    return points, dtype, train_stack(points, DATA, dtype=dtype)


@pytest.mark.parametrize(
    "stops",
    [
        pytest.param(
            # the first, amid an epoch twice in a row, at its end, its first, amid the last tenth
            [1, 7, 8, 10, 11, 19],
            id="often",
        ),
        pytest.param([20], id="after_the_last"),
    ],
)
def test_an_interrupted_training_comes_to_the_same_bits(stack, stops, tmp_path):
    points, dtype, expected = stack
    checkpoint = replace(checkpoint_of(points, tmp_path), dtype=dtype)
    for before, stop in pairwise([0, *stops]):
        assert steps_of(points, checkpoint, stop) == list(range(before + 1, stop + 1))  # none twice
    results = train_stack(points, DATA, dtype=dtype, checkpoint=checkpoint)
    assert_same_bits(results, expected)


def test_a_checkpoint_that_is_never_needed_changes_nothing(stack, tmp_path):
    points, dtype, expected = stack
    checkpoint = replace(checkpoint_of(points, tmp_path), dtype=dtype)
    assert_same_bits(train_stack(points, DATA, dtype=dtype, checkpoint=checkpoint), expected)


@pytest.mark.parametrize("name", STACKS)
@pytest.mark.parametrize("step", [10, 19])
def test_a_state_that_was_taken_up_again_is_the_state_itself(name, step):
    """To the last counter, also of what shows in no result."""
    points = sorted(STACKS[name], key=lambda point: repr(point.activation))
    ended, begun = (Training(points, DATA, torch.float32) for _ in range(2))
    assert step in ended.steps()
    copied = {name: value.clone() for name, value in ended.state().items()}
    begun.load_state(copied)
    assert_same_tensors(begun.state(), copied)

    assert list(begun.steps()) == list(ended.steps()) == list(range(step + 1, STEPS + 1))
    assert_same_tensors(begun.state(), ended.state())


def test_minibatches_that_are_done_are_left_out():
    settings = make_point(epochs=EPOCHS).train
    for seeds in ([3], [1, 0]):
        whole = list(shuffled_rows(95, settings, seeds))
        for count in range(STEPS + 1):
            rest = list(shuffled_rows(95, settings, seeds, count))
            assert len(rest) == STEPS - count
            for rows, expected in zip(rest, whole[count:], strict=True):
                assert torch.equal(rows, expected)


def test_what_a_run_has_learned_by_counts_minibatches_before_the_interruption(tmp_path):
    """Its accuracy over the last tenth: of 20 steps those of 20 and of 15 examples."""
    (result,) = train([make_point(epochs=EPOCHS)])
    history = result.history
    accuracy = history.loc[history["split"] == "train", "accuracy"].to_numpy(float)[-2:]
    correct = round(float(accuracy @ [20, 15]))
    assert 0 < accuracy[0] < 1
    for threshold, outcome in (
        (correct / 35, Outcome.LEARNED),
        ((correct + 0.01) / 35, Outcome.FAILED),
    ):
        points = [make_point(epochs=EPOCHS, learned_from=threshold)]
        checkpoint = checkpoint_of(points, tmp_path)
        steps_of(points, checkpoint, 19)
        assert train(points, checkpoint)[0].outcome is outcome


# Divergence

EXPLOSIVE = [  # at step 1, later in the first epoch, at its end, in the second epoch, and never
    make_point(f, lr=lr, hidden=(32,), epochs=EPOCHS)
    for f in (RELU, ELU, BN_RELU, PRELU, TANH, GELU)
    for lr in (0.01, 0.1, 0.3, 1.0, 1e3, 1e20, 1e38)
]


@pytest.fixture(scope="module")
def exploded():
    return train(EXPLOSIVE)


@pytest.mark.parametrize("step", [1, 3, 5, 6])
def test_runs_may_diverge_before_an_interruption_and_after(exploded, step, tmp_path):
    diverged_at = [r.diverged_at for r in exploded if r.diverged_at is not None]
    assert min(diverged_at) <= step < max(diverged_at)
    assert len(diverged_at) < len(exploded)

    checkpoint = checkpoint_of(EXPLOSIVE, tmp_path)
    steps_of(EXPLOSIVE, checkpoint, step)
    assert_same_bits(train(EXPLOSIVE, checkpoint), exploded)


def test_a_stack_whose_runs_have_all_diverged_is_not_trained_on(tmp_path):
    points = [make_point(f, lr=1e38, epochs=EPOCHS) for f in (RELU, TANH)]
    checkpoint = checkpoint_of(points, tmp_path)
    expected = train(points)
    assert [result.outcome for result in expected] == [Outcome.DIVERGED] * 2
    assert 0 < len(steps_of(points, checkpoint)) < STEPS
    assert_same_bits(train(points, checkpoint), expected)
    assert steps_of(points, checkpoint) == []


def test_a_run_may_have_diverged_before_its_first_step(tmp_path):
    points = [make_point(f, init="normal", init_std=1e300) for f in (RELU, TANH)]
    expected = train(points)
    assert [result.diverged_at for result in expected] == [0, 0]
    checkpoint = checkpoint_of(points, tmp_path)
    steps_of(points, checkpoint, 1)
    assert_same_bits(train(points, checkpoint), expected)


# Killed


LONG = [replace(p, train=replace(p.train, epochs=40)) for p in STACKS["momentum"]]  # 200 steps


def train_and_write(folder: Path, steps: Connection) -> None:
    """What a process does that a test starts and may kill."""
    results = train_stack(LONG, DATA, on_step=steps.send, checkpoint=checkpoint_of(LONG, folder))
    for number, result in enumerate(results):
        save_file(result.state, folder / f"{number}.state")
        for name in ("history", "trajectory", "probe", "layers"):
            write_parquet(getattr(result, name), folder / f"{number}.{name}")


@pytest.mark.slow
def test_a_killed_process_is_taken_up_by_another_to_the_same_bits(tmp_path):
    spawn = multiprocessing.get_context("spawn")

    def start() -> tuple[multiprocessing.process.BaseProcess, Connection]:
        receiver, sender = spawn.Pipe(duplex=False)
        process = spawn.Process(target=train_and_write, args=(tmp_path, sender))
        process.start()
        sender.close()  # the process's own end is then the only one, and its death is heard
        return process, receiver

    process, steps = start()
    for expected_step in range(1, 8):
        assert steps.recv() == expected_step
    process.kill()
    process.join()
    assert process.exitcode == -signal.SIGKILL
    assert not (tmp_path / "0.state").exists()

    process, steps = start()
    first = steps.recv()
    process.join()
    assert process.exitcode == 0
    assert 7 < first < 200

    for number, expected in enumerate(train(LONG)):
        assert_same_tensors(load_file(tmp_path / f"{number}.state"), expected.state)
        for name in ("history", "trajectory", "probe", "layers"):
            pd.testing.assert_frame_equal(
                pd.read_parquet(tmp_path / f"{number}.{name}"),
                getattr(expected, name),
                check_exact=True,
            )


# When it is saved, and whose it is

POINTS = STACKS["article"]


def done(checkpoint: Checkpoint) -> int | None:
    """How far a checkpoint is; None where there is none."""
    state = checkpoint.load()
    return None if state is None else int(state["done"])


def test_a_checkpoint_is_saved_each_so_many_seconds(tmp_path, monkeypatch):
    """Here a minibatch takes one, by a clock of our own."""
    checkpoint = checkpoint_of(POINTS, tmp_path, seconds=3.0)
    now = 100.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    saved = []

    def on_step(_: int) -> None:
        nonlocal now
        now += 1
        saved.append(done(checkpoint))

    train_stack(POINTS, DATA, on_step=on_step, checkpoint=checkpoint)
    assert saved[:11] == [None, None, None, 4, 4, 4, 7, 7, 7, 10, 10]


def test_a_short_training_saves_nothing(tmp_path):
    train(POINTS, checkpoint_of(POINTS, tmp_path, seconds=3600))
    assert list(tmp_path.iterdir()) == []


def test_a_checkpoint_stays_until_it_is_discarded(tmp_path):
    checkpoint = checkpoint_of(POINTS, tmp_path)
    train(POINTS, checkpoint)
    assert done(checkpoint) == STEPS
    (tmp_path / f"{checkpoint.path.stem}.123.tmp").touch()  # of a process that was killed
    (tmp_path / "other.safetensors").touch()
    checkpoint.discard()
    checkpoint.discard()
    assert [path.name for path in tmp_path.iterdir()] == ["other.safetensors"]


def test_a_checkpoint_is_that_of_its_points_in_their_order_only(tmp_path):
    checkpoint = checkpoint_of(POINTS, tmp_path)
    steps_of(POINTS, checkpoint, 7)
    for others in (POINTS[:3], POINTS[::-1], [*POINTS[:3], make_point(GELU, epochs=EPOCHS)]):
        assert checkpoint_of(others, tmp_path).load() is None
        assert steps_of(others, checkpoint_of(others, tmp_path))[0] == 1
    assert replace(checkpoint, dtype=torch.float64).load() is None
    assert steps_of(POINTS, checkpoint)[0] == 8


def test_the_points_of_a_checkpoint_need_not_be_sorted(tmp_path):
    points = [make_point(f, lr=lr, epochs=EPOCHS) for lr in (0.01, 0.001) for f in (TANH, BN_RELU)]
    checkpoint = checkpoint_of(points, tmp_path)
    steps_of(points, checkpoint, 7)
    assert_same_bits(train(points, checkpoint), train(points))


def test_as_many_signatures_as_points(tmp_path):
    with pytest.raises(AssertionError):
        train(POINTS[:3], checkpoint_of(POINTS, tmp_path))


# Waiting checkpoints


def test_waiting_checkpoints_are_listed_by_their_signatures(tmp_path):
    assert saved_stacks(tmp_path / "nowhere") == saved_stacks(tmp_path) == []
    stacks = [POINTS, POINTS[:2]]
    for points in stacks:
        steps_of(points, checkpoint_of(points, tmp_path), 2)
    assert sorted(saved_stacks(tmp_path)) == sorted(signatures_of(points) for points in stacks)
    checkpoint_of(POINTS, tmp_path).discard()
    assert saved_stacks(tmp_path) == [signatures_of(POINTS[:2])]


def test_what_is_no_checkpoint_does_not_wait(tmp_path, caplog):
    points = POINTS[:2]
    checkpoint = checkpoint_of(points, tmp_path)
    steps_of(points, checkpoint, 2)
    whole = checkpoint.path.read_bytes()
    (tmp_path / f"{checkpoint.path.stem}.123.tmp").write_bytes(whole)
    save_file({"a": torch.zeros(1)}, tmp_path / "model.safetensors")
    assert saved_stacks(tmp_path) == [signatures_of(points)]
    assert not caplog.records

    (tmp_path / "short.safetensors").write_bytes(whole[:-1])
    (tmp_path / "empty.safetensors").touch()
    save_file({}, tmp_path / "list.safetensors", {"format": "1", "signatures": '["a'})
    save_file({}, tmp_path / "none.safetensors", {"format": "1"})
    save_file({}, tmp_path / "number.safetensors", {"format": "1", "signatures": "[1]"})
    (tmp_path / "renamed.safetensors").write_bytes(whole)
    (tmp_path / "folder.safetensors").mkdir()
    assert saved_stacks(tmp_path) == [signatures_of(points)]
    assert [record.levelno for record in caplog.records] == [logging.WARNING] * 6
    assert all("`make doctor` deletes it" in message for message in caplog.messages)
    assert not any("\n" in message for message in caplog.messages)


# Damage


def rewrite(path: Path, change: Callable[[dict[str, Tensor]], object], **metadata: str) -> None:
    """The same file but for one change of its tensors or metadata."""
    with safe_open(path, framework="pt") as file:
        before = file.metadata()
    state = {name: value.clone() for name, value in load_file(path).items()}
    change(state)
    save_file(state, path, {**before, **metadata})


def flip_a_bit(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-5] ^= 1
    path.write_bytes(content)


def broadcast(state: dict[str, Tensor]) -> None:
    """Shapes that copying would quietly accept."""
    state["network/layer1.bias@0"] = state["network/layer1.bias@0"][:1].clone()


def header(text: bytes) -> bytes:
    """A file of safetensors with such a header and no tensors."""
    return len(text).to_bytes(8, "little") + text


DAMAGE: dict[str, Callable[[Path], object]] = {
    "empty": lambda path: path.write_bytes(b""),
    "not_safetensors": lambda path: path.write_bytes(b"not a checkpoint at all" * 100),
    "cut_in_its_header": lambda path: path.write_bytes(path.read_bytes()[:100]),
    "cut_in_its_tensors": lambda path: path.write_bytes(path.read_bytes()[:-1000]),
    "a_bit": flip_a_bit,
    "a_tensor_is_missing": lambda path: rewrite(path, lambda state: state.pop("late/loss")),
    "all_tensors_are_missing": lambda path: rewrite(path, lambda state: state.clear()),
    "a_shape_does_not_fit": lambda path: rewrite(path, broadcast),
    "another_format": lambda path: rewrite(path, dict, format="0"),
    "no_metadata": lambda path: save_file(load_file(path), path),
    "a_header_without_end": lambda path: path.write_bytes(b"\xff" * 8 + b"{" * 100),
    "a_header_that_is_a_list": lambda path: path.write_bytes(header(b"[]")),
    "metadata_that_is_no_text": lambda path: path.write_bytes(header(b'{"__metadata__":{"a":1}}')),
    "a_kind_of_number_without_hash": lambda path: save_file(
        {"a": torch.zeros(2, dtype=torch.bfloat16)}, path, {"format": "1", "sha256": ""}
    ),
}


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A checkpoint of POINTS at step 7."""
    checkpoint = checkpoint_of(POINTS, tmp_path_factory.mktemp("whole"))
    steps_of(POINTS, checkpoint, 7)
    return checkpoint.path.read_bytes()


@pytest.fixture(scope="module")
def undisturbed() -> list[RunResult]:
    return train(POINTS)


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_checkpoint_is_removed_and_the_training_starts_anew(
    damage, whole, undisturbed, tmp_path, caplog
):
    checkpoint = checkpoint_of(POINTS, tmp_path, seconds=3600)
    checkpoint.path.write_bytes(whole)
    DAMAGE[damage](checkpoint.path)

    steps: list[int] = []
    results = train_stack(POINTS, DATA, on_step=steps.append, checkpoint=checkpoint)
    assert steps[0] == 1
    assert_same_bits(results, undisturbed)
    assert not checkpoint.path.exists()
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    assert str(checkpoint.path) in record.getMessage()


def test_a_checkpoint_that_is_not_damaged_is_taken_up(whole, undisturbed, tmp_path):
    checkpoint = checkpoint_of(POINTS, tmp_path, seconds=3600)
    checkpoint.path.write_bytes(whole)
    steps: list[int] = []
    results = train_stack(POINTS, DATA, on_step=steps.append, checkpoint=checkpoint)
    assert steps[0] == 8
    assert_same_bits(results, undisturbed)


class Own(nn.Module):
    """A function of a user's, as it was and, with two slopes, as it is now."""

    slopes = 1

    def __init__(self) -> None:
        super().__init__()
        self.slope = nn.Parameter(torch.full((self.slopes,), 0.25))

    def forward(self, x: Tensor) -> Tensor:
        return torch.where(x > 0, x, x * self.slope.mean())


def test_a_checkpoint_of_a_function_that_was_changed_since_is_of_no_use(
    tmp_path, caplog, monkeypatch
):
    points = [make_point(Activation("own", f"{__name__}.Own"), epochs=EPOCHS), *POINTS[:1]]
    checkpoint = checkpoint_of(points, tmp_path)
    steps_of(points, checkpoint, 7)
    monkeypatch.setattr(Own, "slopes", 2)

    assert_same_bits(train(points, checkpoint), train(points))
    assert "the tensors of another stack" in caplog.text


# Atomic


def full_disk(*_: object) -> NoReturn:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@pytest.mark.parametrize("call", ["fsync", "replace"])
def test_a_save_that_fails_leaves_the_last_checkpoint_and_the_training_alone(
    call, tmp_path, caplog, monkeypatch
):
    checkpoint = checkpoint_of(POINTS, tmp_path)
    steps_of(POINTS, checkpoint, 7)
    before = checkpoint.path.read_bytes()

    with monkeypatch.context() as patch:
        patch.setattr(os, call, full_disk)
        results = train(POINTS, checkpoint)
    assert_same_bits(results, train(POINTS))
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [before]  # and nothing beside it
    assert caplog.messages == ["Cannot save a checkpoint: [Errno 28] No space left on device"] * 13

    assert_same_bits(train(POINTS, checkpoint), results)


def test_a_checkpoint_is_never_seen_in_part(tmp_path, monkeypatch):
    """When it gets its name it is whole and on the disk, and the last one is there until then."""
    checkpoint = checkpoint_of(POINTS, tmp_path)
    steps_of(POINTS, checkpoint, 3)
    synced, seen = [], []
    fsync, move = os.fsync, os.replace

    def note_fsync(descriptor: int) -> None:
        fsync(descriptor)
        synced.append(os.fstat(descriptor).st_ino)

    def note_replace(source: Path, target: Path) -> None:
        assert Path(source).stat().st_ino == synced[-1]
        assert saved_stacks(tmp_path) == [signatures_of(POINTS)]
        seen.append(done(checkpoint))
        move(source, target)

    monkeypatch.setattr(os, "fsync", note_fsync)
    monkeypatch.setattr(os, "replace", note_replace)
    steps_of(POINTS, checkpoint, 6)
    assert seen == [3, 4, 5]
    assert done(checkpoint) == 6
