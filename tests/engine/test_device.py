"""What trains, and how points are put together for it, as far as that shows without a GPU."""

import pytest
import torch

from actscope.engine import device
from actscope.engine.device import CPU, CUDA, choose_device
from actscope.errors import ConfigError
from actscope.sweep import resources, stacks
from actscope.sweep.launcher_settings import LauncherSettings
from actscope.sweep.resources import Resources, select_gpu
from actscope.sweep.stacks import bytes_a_run, make_stacks
from tests.support.making import make_data, make_point

GRID = [make_point(lr=0.01 * (i + 1), seed=seed) for seed in range(5) for i in range(4)]


@pytest.fixture
def no_card(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(device, "DRIVERS", [__file__])  # a driver alone is no card
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)


@pytest.fixture
def three_cards(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Simulated; which of them were taken."""
    taken: list[int] = []
    monkeypatch.setattr(device, "DRIVERS", [__file__])
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 3)
    monkeypatch.setattr(torch.cuda, "set_device", taken.append)
    return taken


def test_the_processor_trains_where_there_is_no_card(no_card: None) -> None:
    assert choose_device("cpu") == choose_device("auto") == CPU


def test_a_card_that_is_not_there_is_refused(no_card: None) -> None:
    with pytest.raises(ConfigError, match=r"^device=cuda: torch .* finds no GPU. Use device=cpu"):
        choose_device("cuda")


def test_a_card_trains_where_it_is_wanted(three_cards: list[int]) -> None:
    assert choose_device("cpu") == CPU
    assert choose_device("auto") == choose_device("cuda") == CUDA


def test_there_is_a_worker_a_card(three_cards: list[int]) -> None:
    assert Resources.checked(LauncherSettings(), CUDA).workers == 3
    assert Resources.checked(LauncherSettings(workers=2), CUDA).workers == 2
    for worker in range(4):
        select_gpu(worker)
    assert three_cards == [0, 1, 2, 0]


def test_beside_a_card_the_cores_write(
    three_cards: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resources, "CPU_COUNT", 6)
    assert Resources.checked(LauncherSettings(), CUDA).writers == 6
    assert Resources.checked(LauncherSettings(writers=2), CUDA).writers == 2
    assert Resources.checked(LauncherSettings(), CPU).writers == 0
    assert Resources.checked(LauncherSettings(workers=0), CUDA).writers == 0
    assert (
        Resources.checked(LauncherSettings(workers=4, cluster={"_target_": "a.B"}), CUDA).writers
        == 0
    )


def test_each_card_has_its_share() -> None:
    sizes = [len(stack) for stack in make_stacks(GRID, Resources(3, stack_size=20, device=CUDA))]
    assert sizes == [7, 7, 6]


def test_a_stack_is_as_large_as_fits_the_cards_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    data = make_data()
    room = 7.5 * bytes_a_run(GRID[0], data)
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda _: (room / resources.USABLE_SHARE, 0))
    monkeypatch.setattr(stacks, "describe_data", lambda _: data)
    sizes = [len(stack) for stack in make_stacks(GRID, Resources(1, device=CUDA))]
    assert sizes == [7, 7, 6]


def test_a_larger_network_takes_more_memory() -> None:
    data = make_data()
    small = bytes_a_run(make_point(hidden=(8,)), data)
    assert bytes_a_run(make_point(hidden=(8, 8)), data) > small
    assert bytes_a_run(make_point(hidden=(8,), epochs=50), data) > small  # by its records
