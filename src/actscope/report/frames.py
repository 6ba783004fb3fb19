"""The runs of a study as tidy tables: which count, which do not and why, what is missing."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from functools import cached_property, partial
from itertools import chain, product
from typing import Any, TypeVar

import numpy as np
import pandas as pd

from actscope import tracking
from actscope.dying import VERDICTS
from actscope.errors import ReportError
from actscope.report.stats import CELL, summarise
from actscope.suggestions import training
from actscope.tracking import Store

POINT = [*CELL, "seed"]
# Shipped activations in the order of every table and figure: the article's first.
SHIPPED = (
    *("relu", "leaky_relu", "elu", "selu", "bn_relu"),
    *("gelu", "silu", "mish", "celu", "softplus", "tanh", "sigmoid", "hardswish", "prelu"),
)
# What read_runs gives beside parameters and metrics.
ABOUT_RUN = [
    *("run_id", "name", "status", "started", "ended", "outcome", "reason", "sweep", "commit"),
    *("dirty", "signature", "signature.config", "signature.data", "signature.code", "pack"),
]
# Parameters that are no variant: they name the point, or cannot change a number.
NOT_A_VARIANT = {"study", "activation", "lr", "seed", "data.root"}
OWN = "activation."  # how an activation's own settings begin
UNSET = "unset"  # where a run knows nothing of a setting
UNIT_SHARE = rf"^({'|'.join(VERDICTS)})/layer\d+$"  # a metric
ARTICLE_SEED = 20170523

Content = TypeVar("Content")


@dataclass(frozen=True, eq=False)
class StudyRuns:
    """Every run of a study.

    `runs`: one row a run, sorted by point: `run_id`, `name`, POINT, `status`, `outcome`, `used`,
    `why` (it is used or left out), `final` and `best` (test accuracy; NaN where the run diverged or
    it is not known), `sweep`, `commit`, `dirty`, `code`, `data`, `pack` (of tracking.read_runs, or
    ''). `params`: the parameters as text, by `run_id`, in the same order. `unit_shares`: the
    metrics `dead/layer1` and so on, by `run_id`; NaN where a run has none. `missing`: POINT of the
    points of the grid that no finished run stands for.
    """

    study: str
    runs: pd.DataFrame
    params: pd.DataFrame
    unit_shares: pd.DataFrame
    missing: pd.DataFrame
    grid_size: int

    @cached_property
    def used(self) -> pd.DataFrame:
        return self.runs[self.runs["used"]]

    @cached_property
    def left_out(self) -> pd.DataFrame:
        return self.runs[~self.runs["used"]]

    @cached_property
    def cells(self) -> pd.DataFrame:
        return summarise(self.used)

    def values_of(self, parameter: str) -> list[str]:
        """Different values of a parameter among the runs that are used."""
        if parameter not in self.params:
            return []
        values = self.params.loc[self.used["run_id"], parameter].dropna()
        return sorted(set(values), key=natural)


def read_study(store: Store, study: str) -> StudyRuns:
    """Read the runs of a study and judge which count.

    Raises:
        StoreError: there is no such study, or the store cannot be read.
        ReportError: no run is finished.

    """
    return choose_runs(study, tracking.read_runs(store, study), store)


def choose_runs(study: str, found: pd.DataFrame, store: Store | None = None) -> StudyRuns:
    """Judge which runs of `tracking.read_runs` count.

    Of a point's finished runs the newest does. The grid is, for each variant, the product of the
    activations, rates and seeds that occur among its runs, finished or not.

    Raises:
        ReportError: no run is finished.

    """
    if found.empty:
        raise ReportError(f"study={study}: has no runs yet; `{training(study, store)}` makes some")
    params = found.set_index("run_id")[_parameters(found)]
    runs = _typed(found, describe_variants(params))
    runs = _judged(runs, found.set_index("run_id")["reason"])
    runs = runs.sort_values(
        [*POINT, "ended", "run_id"], key=sort_key, ignore_index=True, na_position="last"
    )
    if not runs["used"].any():
        states = ", ".join(f"{n} {s}" for s, n in sorted(runs["status"].value_counts().items()))
        raise ReportError(
            f"study={study}: none of its runs is finished ({states}); "
            f"`{training(study, store)}` trains"
        )
    missing, grid_size = _missing(runs)
    params = params.loc[runs["run_id"]]
    unit_shares = found.set_index("run_id").filter(regex=UNIT_SHARE)
    unit_shares = unit_shares.loc[runs["run_id"]].astype(float)
    runs = runs.drop(columns="ended")
    return StudyRuns(study, runs, params, unit_shares, missing, grid_size)


def describe_variants(params: pd.DataFrame) -> "pd.Series[str]":
    """Short text of those settings, beside activation, rate and seed, that vary between the runs.

    An activation's own settings vary where runs of that activation differ in them. '' where nothing
    varies.
    """
    return variant_texts(params, varying_settings(params))


def varying_settings(params: pd.DataFrame) -> set[tuple[str, str]]:
    """Those settings: each beside the activation whose own it is, or beside ''."""
    known = _known(params)
    shared = {key for key in known.columns if not is_own(key)} - NOT_A_VARIANT
    varying = {("", key) for key in shared if len(set(known[key])) > 1}
    own = [key for key in known.columns if is_own(key)]
    for activation, rows in known[own].groupby(known["activation"]):
        varying |= {(str(activation), key) for key in rows.columns if len(set(rows[key])) > 1}
    return varying


def variant_texts(params: pd.DataFrame, varying: Set[tuple[str, str]]) -> "pd.Series[str]":
    """Short text of these settings, as of `varying_settings`, of each run."""
    known = _known(params).to_dict("index")
    texts = {
        run_id: " ".join(
            f"{key}={row.get(key, UNSET).replace(' ', '')}"
            for activation, key in sorted(varying)
            if activation in ("", row["activation"])
        )
        for run_id, row in known.items()
    }
    return pd.Series([texts.get(run_id, "") for run_id in params.index], params.index, dtype="str")


def is_own(setting: str) -> bool:
    """Whether a setting is an activation's own."""
    return setting.startswith(OWN)


def _known(params: pd.DataFrame) -> pd.DataFrame:
    return params[params["activation"].notna()].fillna(UNSET)


def read_accuracy(store: Store, runs: StudyRuns) -> pd.DataFrame:
    """`gather_accuracy`, from the histories alone.

    Raises:
        ReportError: a file of a run cannot be read.

    """
    histories = read_histories(store, runs.study, averaged(runs))
    return gather_accuracy(runs, [accuracy_by_epoch(history) for history in histories])


def averaged(runs: StudyRuns) -> pd.DataFrame:
    """The runs that are used and did not diverge, and so enter means."""
    return runs.used[runs.used["outcome"] != "diverged"]


def gather_accuracy(runs: StudyRuns, found: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Test accuracy after each epoch, from `accuracy_by_epoch` of each of `averaged(runs)`.

    Columns: POINT, `epoch` (from 1), `accuracy`.
    """
    return one_under_another(averaged(runs)[POINT], found, ["epoch", "accuracy"])


def accuracy_by_epoch(history: pd.DataFrame) -> pd.DataFrame:
    """Columns `epoch` (from 1) and `accuracy`, on the test split, of one run."""
    of_test = np.flatnonzero(history["split"] == "test")
    epochs = history["epoch"].to_numpy()[of_test].round().astype(int)
    accuracy = history["accuracy"].to_numpy(dtype=float)[of_test]
    return pd.DataFrame({"epoch": epochs, "accuracy": accuracy})


def one_under_another(
    about: pd.DataFrame, tables: Sequence[pd.DataFrame], columns: Sequence[str] = ()
) -> pd.DataFrame:
    """Tables, one for each row of `about`, which stands beside each row of its table.

    `columns`: those of the tables, which are there even if no table is.
    """
    if not tables:
        return pd.DataFrame(columns=[*about.columns, *columns])
    places = np.repeat(np.arange(len(about)), [len(table) for table in tables])
    beside = about.take(places).reset_index(drop=True)
    return pd.concat([beside, pd.concat(tables, ignore_index=True)], axis=1)


def read_histories(store: Store, study: str, runs: pd.DataFrame) -> Iterator[pd.DataFrame]:
    """The history of each of these rows of StudyRuns.runs; `run_id` and POINT are added in front.

    Raises:
        ReportError: a file of a run cannot be read.

    """
    read = partial(read_run_file, tracking.read_history)
    histories = read_each(store, study, ["history"], read, runs)
    for run in runs.to_dict("records"):
        history = histories[run["run_id"]]
        of_run = {key: run[key] for key in ["run_id", *POINT]}
        yield history.assign(**of_run)[[*of_run, *history.columns]]


def read_each(
    store: Store,
    study: str,
    tables: Sequence[str],
    read: Callable[[Store, str, str], Content],
    runs: pd.DataFrame,
) -> dict[str, Content]:
    """What `read` gives for each of these rows of StudyRuns.runs, by run id.

    `tables`: those of tracking.TABLES that it reads.
    """
    piles = tracking.piles(runs["pack"], runs["run_id"])
    read_pile = partial(tracking.read_pile, store, study, tables, read)
    return dict(chain.from_iterable(tracking.read_in_order(store, read_pile, piles)))


def read_run_file(
    read: Callable[[Store, str, str], pd.DataFrame], store: Store, study: str, run_id: str
) -> pd.DataFrame:
    """Read a table of a run with one of tracking's functions, or raise ReportError."""
    try:
        return read(store, study, run_id)
    except (OSError, ValueError) as error:
        reason = " ".join(str(error).split())
        raise ReportError(
            f"study={study}: a file of run {run_id} cannot be read: {reason}"
        ) from error


def choose_seed(runs: StudyRuns, wanted: int | None) -> int:
    """The seed whose trajectories are drawn: the one wanted, or the article's, or the smallest.

    Raises:
        ReportError: no used run has the seed that is wanted.

    """
    seeds = sorted({int(seed) for seed in runs.used["seed"]})
    if wanted is None:
        return ARTICLE_SEED if ARTICLE_SEED in seeds else seeds[0]
    if wanted not in seeds:
        there = ", ".join(str(seed) for seed in seeds)
        raise ReportError(f"report.seed={wanted}: no finished run has it; there are {there}")
    return wanted


def natural(text: str) -> tuple[tuple[int, float, str], ...]:
    """Sort key that puts `epochs=5` before `epochs=50`, and both before `epochs=x`."""
    parts = re.split(r"(\d+(?:\.\d+)?(?:e[+-]?\d+)?)", text)
    return tuple((0, float(p), "") if p[:1].isdigit() else (1, 0.0, p) for p in parts)


def rate_text(lr: float) -> str:
    """A rate in full, as runs are named: two rates never look alike."""
    return str(float(lr)).removesuffix(".0")


def activation_order(names: Iterable[str]) -> list[str]:
    """Each name once: shipped ones in their own order, then the others by name."""
    return sorted(set(names), key=_activation_rank)


def _parameters(found: pd.DataFrame) -> list[str]:
    # A metric's name holds a slash, a parameter's never does.
    return [name for name in found.columns if name not in ABOUT_RUN and "/" not in name]


def _typed(found: pd.DataFrame, variants: "pd.Series[str]") -> pd.DataFrame:
    def text(name: str) -> "pd.Series[str]":
        return found[name].fillna("").astype("str")

    def number(name: str) -> "pd.Series[float]":
        if name not in found:
            return pd.Series(float("nan"), index=found.index)
        return found[name].astype(float).where(found["outcome"] != "diverged")

    return pd.DataFrame(
        {
            "run_id": found["run_id"],
            "name": text("name"),
            "variant": variants.to_numpy(),
            "activation": text("activation"),
            "lr": found["lr"].astype(float),
            # Not by way of a float: a seed may have 63 bits.
            "seed": pd.array([_whole(seed) for seed in found["seed"]], dtype="Int64"),
            "status": text("status"),
            "outcome": text("outcome"),
            "final": number("test/accuracy_final"),
            "best": number("test/accuracy_best"),
            "sweep": text("sweep"),
            "commit": text("commit"),
            "dirty": text("dirty"),
            "code": text("signature.code"),
            "data": text("signature.data"),
            "pack": text("pack"),
            "ended": found["ended"].astype(float),
        }
    )


def _whole(seed: object) -> int | None:
    return int(seed) if isinstance(seed, str) else None


def _judged(runs: pd.DataFrame, reasons: "pd.Series[str]") -> pd.DataFrame:
    """Add `used` and `why`."""
    why = pd.Series(
        [_why_unusable(run, reasons[run["run_id"]]) for run in runs.to_dict("records")],
        runs.index,
        dtype="str",
    )
    is_used = why == ""
    usable = runs[is_used].sort_values(["ended", "run_id"])
    attempts = usable.groupby(POINT)["run_id"]
    count, newest = attempts.transform("size"), attempts.transform("last")
    is_newest = usable["run_id"] == newest
    word = "newest of " + count.astype("str") + " finished runs"
    word = word.mask(count == 1, "the only finished run") + " of its point"
    why[usable.index] = word.where(is_newest, "superseded by " + newest)
    is_used[usable.index] = is_newest
    return runs.assign(used=is_used, why=why)


def _why_unusable(run: Mapping[Any, Any], reason: object) -> str:
    status = str(run["status"])
    if status == "RUNNING":
        return "still RUNNING"
    if status == "FAILED":
        return f"status FAILED: {reason}" if isinstance(reason, str) else "status FAILED"
    if status != "FINISHED":
        return status
    if run["activation"] == "" or pd.isna(run["lr"]) or pd.isna(run["seed"]):
        return "FINISHED, but without its parameters"
    if run["outcome"] == "":
        return "FINISHED, but without an outcome"
    if run["outcome"] != "diverged" and pd.isna(run["final"]):
        return "FINISHED, but without a final test accuracy"
    return ""


def _missing(runs: pd.DataFrame) -> tuple[pd.DataFrame, int]:
    """Points of the grid without a used run, and the size of the grid."""
    grid = []
    for variant, rows in runs[runs["seed"].notna()].groupby("variant", sort=False):
        rates, seeds = sorted(set(rows["lr"])), sorted(set(rows["seed"]))
        grid += list(product([variant], activation_order(rows["activation"]), rates, seeds))
    there = set(runs.loc[runs["used"], POINT].itertuples(index=False, name=None))
    missing = [point for point in grid if point not in there]
    return pd.DataFrame(missing, columns=POINT), len(grid)


def sort_key(column: "pd.Series[str]") -> "pd.Series[int]":
    """Sort key of pandas for columns of POINT: activations and variants stand in their order."""
    if column.name not in ("activation", "variant"):
        return column  # type: ignore[return-value]
    key = _activation_rank if column.name == "activation" else natural
    ranks = {text: rank for rank, text in enumerate(sorted(set(column), key=key))}
    return column.map(ranks)


def _activation_rank(name: str) -> tuple[int, str]:
    return (SHIPPED.index(name), "") if name in SHIPPED else (len(SHIPPED), name)
