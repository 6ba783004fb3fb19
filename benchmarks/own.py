"""Gradients of many runs of a user's own network: all at once by torch.func, and one at a time.

They show why such runs are trained one at a time: docs/own-network.md.
"""

# R runs, B examples, K inputs and O units of a layer

import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from itertools import product
from typing import Any

import pandas as pd
import torch

from actscope.config import Activation
from actscope.engine.activations import make_function
from actscope.engine.arithmetic import steady_arithmetic
from actscope.sweep.stacks import TESTED_FUNCTIONS, TORCHS
from benchmarks.own_networks import (
    AUTOENCODER,
    CASES,
    WAYS,
    Case,
    Gradients,
    Stack,
    Tensors,
    one_at_a_time,
)
from benchmarks.timing import Work, interleaved

STACKS = (5, 20)
BATCH, LAST = 100, 37  # examples of a minibatch, and of the last one of an epoch
RUN_STEPS = 60  # of a timed case
TRIED = 20  # minibatches of each run, to compare bits
TAIL = 31  # values that a processor with AVX-512 does not take 32 at a time
INPUTS = (64, 384, 385, 784)  # of a layer
RELU = Activation("relu", f"{TORCHS}ReLU")


# Time


def networks(
    rounds: int, on_case: Callable[[], None], cases: Mapping[str, Case] = CASES
) -> pd.DataFrame:
    """Time and bits of each network in stacks of each size."""
    with steady_arithmetic(), warnings.catch_warnings():
        # vmap takes the runs of a transformer's attention one by one, and says so.
        warnings.filterwarnings("ignore", "There is a performance drop")
        spent = times(rounds, on_case, cases)
        stacks = product(cases.values(), STACKS)
        return spent.join(pd.DataFrame([compared(*stack) for stack in stacks]))


def times(rounds: int, on_case: Callable[[], None], cases: Mapping[str, Case]) -> pd.DataFrame:
    """Milliseconds of a run's gradient one at a time, and multiples of it in the same round."""
    stacks = list(product(cases, STACKS))
    works = {
        f"{way} {name} {runs}": work
        for name, runs in stacks
        for way, work in _works(cases[name], runs).items()
    }
    seconds = interleaved(works, rounds, on_case)
    rows = []
    for name, runs in stacks:
        alone = seconds[f"alone {name} {runs}"]
        ratios = {f"{way}_x": (seconds[f"{way} {name} {runs}"] / alone).median() for way in WAYS}
        rows.append({"network": name, "runs": runs, "ms": 1000 * alone.median(), **ratios})
    return pd.DataFrame(rows)


def _works(case: Case, runs: int) -> dict[str, Work]:
    modules = case.networks(RELU, runs)
    stack = Stack.of(modules)
    x, y = case.minibatches(runs, BATCH, 1)
    works: dict[str, Callable[[], object]] = {"alone": partial(one_at_a_time, modules, x, y)}
    works |= {way: partial(gradients, stack, x, y) for way, gradients in WAYS.items()}
    return {name: partial(_repeated, work, runs) for name, work in works.items()}


def _repeated(work: Callable[[], object], runs: int) -> int:
    for _ in range(RUN_STEPS // runs):
        work()
    return RUN_STEPS // runs * runs


# Bits


def compared(case: Case, runs: int) -> dict[str, Any]:
    """Tensors that differ in a bit from a run alone, and whether they do from a stack of one."""
    modules = case.networks(RELU, runs)
    stack, ones = Stack.of(modules), [Stack.of([module]) for module in modules]
    differing: dict[str, set[str]] = {way: set() for way in WAYS}
    depends = dict.fromkeys(WAYS, False)
    for (way, gradients), examples in product(WAYS.items(), (BATCH, LAST)):
        x, y = case.minibatches(runs, examples, examples)
        stacked = gradients(stack, x, y)
        alone = one_at_a_time(modules, x, y)
        differing[way] |= {name for _, name in differences(stacked, alone)}
        pairs = zip(ones, x.split(1), y.split(1), strict=True)
        single = [{name: own[0] for name, own in gradients(*one).items()} for one in pairs]
        depends[way] |= any(True for _ in differences(stacked, single))
    found = {f"{way}_differ": len(differing[way]) for way in WAYS}
    return found | {f"{way}_depends": depends[way] for way in WAYS} | {"tensors": len(stacked)}


def differences(stacked: Tensors, alone: Iterable[Tensors]) -> Iterator[tuple[int, str]]:
    """Run and name of each tensor that is not the same in both."""
    for run, own in enumerate(alone):
        for name, value in own.items():
            if not torch.equal(stacked[name][run], value):
                yield run, name


def activations() -> pd.DataFrame:
    """Shares of the autoencoder's run-steps that differ, and of values that depend on their place.

    `vmap`, `autograd`: with each minibatch; `vmap_last`, `autograd_last`: with the last one.
    """
    rows = []
    for name, arguments in TESTED_FUNCTIONS.items():
        activation = Activation(name, f"{TORCHS}{name}", tuple(arguments.items()))
        with steady_arithmetic():
            shares = {
                f"{way}{end}": _share_differing(gradients, activation, examples)
                for way, gradients in WAYS.items()
                for end, examples in (("", BATCH), ("_last", LAST))
            }
            rows.append({"activation": name, "values": _share_by_place(activation), **shares})
    return pd.DataFrame(rows)


def _share_differing(gradients: Gradients, activation: Activation, examples: int) -> float:
    modules = AUTOENCODER.networks(activation, STACKS[0])
    stack = Stack.of(modules)
    differing = 0
    for seed in range(TRIED):
        x, y = AUTOENCODER.minibatches(len(modules), examples, seed)
        stacked = gradients(stack, x, y)
        alone = one_at_a_time(modules, x, y)
        differing += len({run for run, _ in differences(stacked, alone)})
    return differing / (TRIED * len(modules))


@torch.no_grad()
def _share_by_place(activation: Activation) -> float:
    """Share of random values that a small tensor and a large one map to different numbers."""
    function = make_function(activation)
    values = 2 * torch.randn(1000 * TAIL, generator=torch.Generator().manual_seed(0))
    small = torch.cat([function(part) for part in values.split(TAIL)])
    return float((small != function(values)).double().mean())


def products() -> pd.DataFrame:
    """Whether the products of a layer, [B, K] @ [K, O] + bias, are the same by each function."""
    with steady_arithmetic():
        return pd.DataFrame([_products(inputs) for inputs in INPUTS])


def _products(inputs: int, runs: int = 50, units: int = 64) -> dict[str, Any]:
    rng = torch.Generator().manual_seed(0)
    x = torch.randn(runs, BATCH, inputs, generator=rng)
    weight = torch.randn(runs, units, inputs, generator=rng).mT
    bias = torch.randn(runs, 1, units, generator=rng)
    bmm = torch.bmm(x, weight)
    ones = [torch.bmm(x[run : run + 1], weight[run : run + 1]) for run in range(runs)]
    mm = [torch.mm(*run) for run in zip(x, weight, strict=True)]
    linear = torch.stack([torch.addmm(*run) for run in zip(bias, x, weight, strict=True)])
    return {
        "inputs": inputs,
        "of_one": torch.equal(bmm, torch.cat(ones)),
        "mm": torch.equal(bmm, torch.stack(mm)),
        "baddbmm": torch.equal(torch.baddbmm(bias, x, weight), linear),
        "bmm_and_bias": torch.equal(bmm + bias, linear),
    }
