"""Tunes the rate of each cell by validation, then trains fresh seeds at the chosen rate."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict

from rich.console import Console

from actscope import tracking
from actscope.analysis.tuning import CHOSEN_BY_TAG, RULES_TAG
from actscope.command_line import suggestions
from actscope.config import Point, SweepRules, Tracking, Tuning
from actscope.errors import ConfigError, SweepError
from actscope.sweep.grid import check_grid
from actscope.sweep.plan import DEFAULT_RULES
from actscope.sweep.resources import Resources
from actscope.sweep.results import Done, Failed, Result
from actscope.sweep.runner import print_queued, train_grid
from actscope.sweep.tuned_cells import TunedCell, cells_of, read_cells
from actscope.sweep.tuning_table import print_cells
from actscope.tracking import Store, store_errors


def run_tuned(
    points: Sequence[Point],
    rules: Tuning,
    settings: Tracking,
    sweep_id: str,
    resources: Resources,
    console: Console,
    sweep_rules: SweepRules = DEFAULT_RULES,
) -> list[TunedCell]:
    """Tune and judge the cells of these points, whose rates and seeds are ignored.

    Each round trains everything that is known to be missing. Finished runs are not trained again.

    Raises:
        ActscopeError: a setting, the data or the store is wrong, or a run failed.

    """
    if sweep_rules.force:
        raise ConfigError("sweep.force=True: would repeat a choice. Take another study instead.")
    cells = cells_of(points)
    check_grid(cells)
    store = tracking.open_store(settings)
    tags = {RULES_TAG: json.dumps(asdict(rules))}
    known: dict[Point, Done] = {}
    number = 0
    while True:
        states = read_cells(store, cells, rules, known)
        _tag_evaluations(store, states)
        missing = [point for state in states for point in state.missing()]
        if not missing:
            break
        number += 1
        print_cells(console, states)
        console.print(f"round   {number}: {len(missing)} runs to train")
        # With the finished ones, so that `status` of a sweep shows all points so far.
        grid = check_grid([*(point for state in states for point in state.done), *missing])
        own_id = f"{sweep_id}-{number}"
        results = train_grid(
            grid, store, settings, own_id, resources, console, sweep_rules, tags, has_table=False
        )
        known = dict(_done(results.values()))
    print_cells(console, states)
    _print_next(console, store, cells)
    print_queued(console, store)
    return states


def plan_tuned(
    points: Sequence[Point], rules: Tuning, settings: Tracking, console: Console
) -> list[TunedCell]:
    """Print the stage of each cell and the number of its next runs; train nothing."""
    cells = cells_of(points)
    check_grid(cells)
    states = read_cells(tracking.locate_store(settings), cells, rules, {})
    print_cells(console, states)
    return states


def _print_next(console: Console, store: Store, cells: Sequence[Point]) -> None:
    for study in dict.fromkeys(cell.study for cell in cells):
        report = suggestions.command("report", f"study={study}", store=store)
        console.print(f"next:   {report}", markup=False, soft_wrap=True)


def _done(results: Iterable[Result]) -> Iterable[tuple[Point, Done]]:
    """The results by point; raises SweepError if one of them failed."""
    results = list(results)
    failed = [result for result in results if isinstance(result, Failed)]
    if failed:
        raise SweepError(
            f"{len(failed)} runs failed, so no rate can be chosen. The first was "
            f"{failed[0].point}: {failed[0].reason}"
        )
    return [(result.point, result) for result in results if isinstance(result, Done)]


def _tag_evaluations(store: Store, states: Sequence[TunedCell]) -> None:
    """Tag the runs that judge a choice with the ids of the runs that made it."""
    wanted = {
        done.run_id: json.dumps(state.chosen_by())
        for state in states
        if state.plan.choice is not None
        for done in state.evaluations()
        if done.run_id is not None
    }
    if not wanted:
        return
    with store_errors(store.location):
        for study in {state.cell.study for state in states}:
            present = store.tag_values(store.find_experiment(study).experiment_id, CHOSEN_BY_TAG)
            wanted = {run_id: tag for run_id, tag in wanted.items() if present.get(run_id) != tag}
        for run_id, tag in wanted.items():
            store.rows.set_tags(run_id, {CHOSEN_BY_TAG: tag})
