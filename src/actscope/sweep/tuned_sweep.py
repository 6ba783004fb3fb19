"""Tunes the rate of each cell by validation, then trains fresh seeds at the chosen rate."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from itertools import count

from rich.console import Console

from actscope import tracking
from actscope.analysis.tuning import CHOSEN_BY_TAG, RULES_TAG, TRIAL_TAG, TRIALS
from actscope.command_line import suggestions
from actscope.config import Point, SweepRules, Tracking
from actscope.errors import ConfigError, SweepError
from actscope.sweep.grid import check_grid
from actscope.sweep.open_sweep import OpenSweep, opened
from actscope.sweep.plan import DEFAULT_RULES
from actscope.sweep.resources import Resources
from actscope.sweep.results import Done, Failed, Result
from actscope.sweep.runner import print_queued
from actscope.sweep.tuned_cells import TunedCell, cells_of, read_cells
from actscope.sweep.tuning_table import print_cells
from actscope.tracking import Store, store_errors
from actscope.tuning_settings import Search, Tuning


def run_tuned(
    points: Sequence[Point],
    rules: Tuning | Search,
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
    cells = cells_of(points, rules)
    check_grid(cells)
    store = tracking.open_store(settings)
    tags = {RULES_TAG: json.dumps(asdict(rules))}
    opened_sweep = OpenSweep(
        store, settings, sweep_id, resources, console, sweep_rules, tags, has_rounds=True
    )
    with opened(opened_sweep) as sweep:
        states = _train_rounds(sweep, cells, rules)
    print_cells(console, states)
    _print_next(console, store, cells)
    print_queued(console, store)
    return states


def _train_rounds(
    sweep: OpenSweep, cells: Sequence[Point], rules: Tuning | Search
) -> list[TunedCell]:
    """Train what is known to be missing until nothing is; the last state of each cell."""
    known: dict[Point, Done] = {}
    for number in count(1):
        states = read_cells(sweep.store, cells, rules, known)
        _tag_runs(sweep.store, states)
        missing = [point for state in states for point in state.missing()]
        if not missing:
            break
        print_cells(sweep.console, states)
        sweep.console.print(f"round   {number}: {len(missing)} runs to train")
        # With the finished ones, so that `status` of a sweep shows all points so far.
        grid = check_grid([*(point for state in states for point in state.done), *missing])
        known = dict(_done(sweep.train(grid).values()))
    return states


def plan_tuned(
    points: Sequence[Point], rules: Tuning | Search, settings: Tracking, console: Console
) -> list[TunedCell]:
    """Print the stage of each cell and the number of its next runs; train nothing."""
    cells = cells_of(points, rules)
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


def _tag_runs(store: Store, states: Sequence[TunedCell]) -> None:
    """Tag what judges a choice with the ids of the runs that made it, and a search's trials."""
    with store_errors(store.location):
        for study in {state.cell.study for state in states}:
            own = [state for state in states if state.cell.study == study]
            judges = {
                done.run_id: json.dumps(state.chosen_by())
                for state in own
                if state.plan.choice is not None
                for done in state.evaluations()
            }
            trials = {run_id: tag for state in own for run_id, tag in state.trial_tags().items()}
            _tag(store, study, CHOSEN_BY_TAG, judges)
            _tag(store, f"{study}{TRIALS}", TRIAL_TAG, trials)


def _tag(store: Store, study: str, name: str, wanted: Mapping[str | None, str]) -> None:
    """Give runs of a study the tag with these values, by run id; None is no run yet."""
    if not wanted:
        return
    present = store.tag_values(store.find_experiment(study).experiment_id, name)
    for run_id, tag in wanted.items():
        if run_id is not None and present.get(run_id) != tag:
            store.rows.set_tags(run_id, {name: tag})
