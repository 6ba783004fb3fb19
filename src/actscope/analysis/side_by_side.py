"""Two runs or two studies side by side: where settings, code, packages and numbers differ."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, fields

from actscope import tracking
from actscope.analysis.varying import LEARNING_RATE, NOT_A_VARIANT
from actscope.artifacts.environment import PACKAGES
from actscope.errors import StoreError
from actscope.metric import metric_of
from actscope.tracking import RunSummary, Store
from actscope.tracking.rows import RunRow
from actscope.tracking.run_index import summary_of

Facts = Mapping[str, str]  # texts by name
SEVERAL = " | "  # between the values of the runs of a study
HASH_DIGITS = 12


@dataclass(frozen=True)
class Side:
    """What can differ of a run or a study: texts by name, in four parts."""

    name: str
    settings: Facts
    code: Facts  # commit, data, and versions of what a run depends on
    packages: Facts  # versions
    numbers: Facts


@dataclass(frozen=True)
class Difference:
    """Where two sides differ; a text is None on the side that does not have it."""

    part: str
    name: str
    first: str | None
    second: str | None


def differences(first: Side, second: Side) -> list[Difference]:
    """All differences of two sides, part by part, in the order of the first side's names.

    Example:
        >>> one = Side("a", {"lr": "0.1", "seed": "0"}, {}, {}, {})
        >>> other = Side("b", {"lr": "0.2", "seed": "0"}, {}, {}, {})
        >>> differences(one, other)
        [Difference(part='settings', name='lr', first='0.1', second='0.2')]

    """
    parts = [field.name for field in fields(Side)][1:]
    return [found for part in parts for found in _of_part(part, first, second)]


def _of_part(part: str, first: Side, second: Side) -> Iterator[Difference]:
    one, other = getattr(first, part), getattr(second, part)
    for name in dict.fromkeys([*one, *other]):
        if one.get(name) != other.get(name):
            yield Difference(part, name, one.get(name), other.get(name))


def as_json(first: Side, second: Side) -> dict[str, object]:
    """The differences as plain data, for `--json`."""
    return {
        "first": first.name,
        "second": second.name,
        "differences": [asdict(each) for each in differences(first, second)],
    }


def read_side(store: Store, name: str) -> Side:
    """The run with this id, or else the study of this name.

    Raises:
        StoreError: there is neither, or the study has no finished run.

    """
    store.check_exists()
    study = next((own for own in store.studies().items() if own[0] == name), None)
    if study is not None:
        return _of_study(store, *study)
    experiment_id = store.find_experiment_of(name)
    names = {number: study for study, number in store.studies().items()}
    if experiment_id is None or experiment_id not in names:
        there = ", ".join(names.values()) or "none"
        raise StoreError(
            f"{name}: the store {store} has no run of this id, and no such study. It has the "
            f"studies {there}."
        )
    return _of_run(store, names[experiment_id], experiment_id, name)


def _of_run(store: Store, study: str, experiment_id: str, run_id: str) -> Side:
    rows = [row for row in store.point_rows(experiment_id) if row.run_id == run_id]
    if not rows:
        raise StoreError(f"{run_id}: is a sweep. Give the run of a point, or the study {study}.")
    (row,) = rows
    return Side(
        f"{study}: {row.name}",
        {name: text for name, text in row.params.items() if name != "data.root"},
        _code(row),
        _packages(store, study, experiment_id, [row]),
        {"outcome": summary_of(row).outcome or row.status, **_numbers(row)},
    )


def _of_study(store: Store, study: str, experiment_id: str) -> Side:
    rows = list(_newest_finished(store.point_rows(experiment_id)))
    if not rows:
        raise StoreError(f"study={study}: has no finished run to compare. Train it first.")
    ignored = {"study", "data.root"}
    names = dict.fromkeys(name for row in rows for name in row.params if name not in ignored)
    return Side(
        study,
        {name: _joined(row.params.get(name) for row in rows) for name in names},
        _joined_facts(_code(row) for row in rows),
        _packages(store, study, experiment_id, rows),
        _cells(rows),
    )


def _newest_finished(rows: Iterable[RunRow]) -> Iterator[RunRow]:
    """The newest finished run of each point, oldest point first."""
    newest: dict[str, RunRow] = {}
    for row in sorted(rows, key=lambda row: (row.started, row.run_id)):
        if summary_of(row).is_finished:
            newest[row.tags.get("actscope.signature.config", row.run_id)] = row
    yield from newest.values()


def _code(row: RunRow) -> dict[str, str]:
    summary: RunSummary = summary_of(row)
    signature = {
        part: text[:HASH_DIGITS] for part, text in asdict(summary.signature).items() if text
    }
    del signature["config"]  # the settings show it
    return {
        "commit": row.tags.get("mlflow.source.git.commit", "unknown"),
        "uncommitted changes": row.tags.get("actscope.git_dirty", "unknown"),
        **{name.replace("_", " "): text for name, text in signature.items()},
        **summary.platform,
    }


def _numbers(row: RunRow) -> dict[str, str]:
    """The metrics of a whole run, without the series of its units."""
    own = {name: value for name, value in row.metrics.items() if "/unit" not in name}
    return {name: f"{value:.6g}" for name, value in sorted(own.items())}


def _cells(rows: Iterable[RunRow]) -> dict[str, str]:
    """Outcomes and mean final metric of each cell, in words."""
    cells: dict[str, list[RunRow]] = {}
    rows = list(rows)
    varying = {
        name
        for name in {name for row in rows for name in row.params} - {*NOT_A_VARIANT, LEARNING_RATE}
        if len({row.params.get(name) for row in rows}) > 1 and not name.startswith("activation.")
    }
    for row in rows:
        variant = [f"{name}={row.params.get(name, 'unset')}" for name in sorted(varying)]
        words = [row.params.get("activation", "?"), f"lr={row.params.get('lr', '?')}", *variant]
        cells.setdefault(" ".join(words), []).append(row)
    return {name: _in_words(runs) for name, runs in cells.items()}


def _in_words(rows: list[RunRow]) -> str:
    runs = [(summary_of(row), metric_of(row.params)) for row in rows]
    learned = [run.final("test", metric) for run, metric in runs if run.outcome == "learned"]
    count = f"{len(learned)} of {len(runs)} learned"
    return f"{sum(learned) / len(learned):.4f}, {count}" if learned else count


def _packages(
    store: Store, study: str, experiment_id: str, rows: Iterable[RunRow]
) -> dict[str, str]:
    """Versions of the packages installed where the sweeps of these runs started."""
    wanted = {row.tags.get("actscope.sweep") for row in rows}
    found = []
    for run in tracking.read_summaries(store, experiment_id):
        if run.is_sweep and run.tags.get("sweep") in wanted:
            try:
                with store.artifact(study, run.run_id, PACKAGES) as path:
                    pins = path.read_text().split()
            except OSError:  # a sweep of an older version has no such file
                continue
            found.append(dict(pin.split("==", 1) for pin in pins if "==" in pin))
    return _joined_facts(found)


def _joined_facts(facts: Iterable[Facts]) -> dict[str, str]:
    every = list(facts)
    names = dict.fromkeys(name for own in every for name in own)
    return {name: _joined(own.get(name) for own in every) for name in names}


def _joined(texts: Iterable[str | None]) -> str:
    """The distinct texts; what is missing is left out."""
    return SEVERAL.join(dict.fromkeys(text for text in texts if text is not None))
