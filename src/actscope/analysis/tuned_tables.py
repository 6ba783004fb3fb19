"""The tables of a tuned study: what tuning chose, how it was judged, and who leads.

Each is made from two frames. `trials` has the columns Factors.cell, `lr`, `seed`, `outcome`, and
`validation`: the final metric on validation, NaN of a lost run. `evaluations` has `final` instead,
on the test. A run is lost if it failed or diverged.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from actscope.analysis import stats
from actscope.analysis.factors import Factors
from actscope.analysis.stats import Comparison, compare_pair, finals_of_learned, grouped
from actscope.analysis.tuning import ALL_LOST, FINE_FACTOR, RATES, Choice, Score, plan_cell
from actscope.metric import ACCURACY, Metric
from actscope.tuning_settings import Tuning

BASES = ("relu", "leaky_relu")  # leads are over the better one of these
UNFINISHED = "not finished"  # a flag, as those of analysis.tuning
TOO_FEW = "fewer than two values"

Row = dict[str, Any]


def choices(
    trials: pd.DataFrame,
    evaluations: pd.DataFrame,
    rules: Sequence[Tuning],
    factors: Factors,
    metric: Metric = ACCURACY,
) -> pd.DataFrame:
    """One row a cell: the rate that its trials choose by plan_cell, and those next to it.

    Columns: Factors.cell; `lr`, NaN if none is chosen; at this rate `validation`, its mean over `n`
    seeds, with the standard error `error` and the number of `lost` runs; at its half and double
    `half`, `half_lost`, `double` and `double_lost`, unknown where the rate was not tried; `trials`
    of the cell; `flag`, why the cell is not judged and gets no verdict, or ''; `wanted`, the seeds
    that judge a cell.

    `rules`: newest first. The first ones count that give a choice which was judged, or else any.
    """
    judged = {key: set(own["lr"]) for key, own in evaluations.groupby(factors.cell, sort=False)}
    rows = []
    for cell, own in grouped(trials, factors.cell):
        choice, used = _choose(rules, own, judged.get(tuple(cell.values()), set()), metric)
        counts = {"trials": len(own), "wanted": len(used.evaluation_seeds)}
        rows.append(cell | _choice_columns(choice, used) | counts)
    return pd.DataFrame(rows).astype(dict.fromkeys(["lost", "half_lost", "double_lost"], "Int64"))


def _choose(
    rules: Sequence[Tuning], trials: pd.DataFrame, judged: set[float], metric: Metric
) -> tuple[Choice | None, Tuning]:
    """The choice of a cell and the rules that gave it; None where trials are missing."""
    columns = zip(trials["lr"], trials["seed"], trials["validation"], strict=True)
    values = {(lr, int(seed)): None if pd.isna(v) else float(v) for lr, seed, v in columns}
    chance = float(trials["chance"].iloc[0])
    plans = [(plan_cell(each, values, chance, metric), each) for each in rules]
    made = [(plan.choice, each) for plan, each in plans if plan.choice is not None]
    was_judged = [(choice, each) for choice, each in made if choice.rate in judged]
    return next(iter(was_judged or made), (None, rules[0]))


def _choice_columns(choice: Choice | None, rules: Tuning) -> Row:
    scores = {} if choice is None else {score.rate: score for score in choice.scores}
    rate = np.nan if choice is None or choice.rate is None else choice.rate
    unknown = Score(rate, np.nan, np.nan, pd.NA)  # type: ignore[arg-type]
    own, half, double = (
        scores.get(rate * share, unknown) for share in (1, 1 / FINE_FACTOR, FINE_FACTOR)
    )
    return {
        "lr": rate,
        "n": 0 if np.isnan(rate) else len(rules.seeds),
        "validation": own.mean,
        "error": own.error,
        "lost": own.lost,
        "half": half.mean,
        "half_lost": half.lost,
        "double": double.mean,
        "double_lost": double.lost,
        "flag": UNFINISHED if choice is None else choice.flag,
    }


def judged(
    evaluations: pd.DataFrame,
    chosen: pd.DataFrame,
    factors: Factors,
    rates: Mapping[str, float] = RATES,
) -> pd.DataFrame:
    """One row a cell without a flag and rate that judges it; `chosen`: of `choices`.

    Columns: Factors.cell; `rate`, of `rates`; `lr`; `wanted`, `runs`, and of these `learned` and
    `lost`; over the runs that learned `mean`, `sd`, `low` and `high` of the metric on the test.
    """
    by_cell = dict(iter(evaluations.groupby([*factors.cell, "lr"], sort=False)))
    rows = []
    for choice in chosen[chosen["flag"] == ""].to_dict("records"):
        cell = {name: choice[name] for name in factors.cell}
        for rate, share in rates.items():
            lr = choice["lr"] * share
            runs = by_cell.get((*cell.values(), lr), evaluations.head(0))
            learned = finals_of_learned(runs)
            found = stats.estimate(np.asarray(learned, float))
            counts = {
                "wanted": choice["wanted"],
                "runs": len(runs),
                "learned": len(learned),
                "lost": len(runs) - len(learned),
            }
            about = {**cell, "rate": rate, "lr": lr, **counts}
            rows.append(about | stats.estimate_columns("", found))
    columns = [*factors.cell, "rate", "lr", "wanted", "runs", "learned", "lost"]
    return pd.DataFrame(rows, columns=[*columns, *stats.ESTIMATED])


def rivals(chosen: pd.DataFrame, factors: Factors, metric: Metric = ACCURACY) -> pd.DataFrame:
    """Of each setting of the factors the better one of BASES, by its mean on validation.

    Columns: Factors.settings, `rival`, or '' if neither has a rate, and `rival_flag`.
    """
    rows = []
    for setting, own in grouped(chosen[chosen["activation"].isin(BASES)], factors.settings):
        up = metric.is_smallest_best
        kept = own[own["lr"].notna()].sort_values("validation", ascending=up, kind="stable")
        best = {"rival": "", "rival_flag": ALL_LOST}
        if len(kept):
            best = {"rival": kept["activation"].iloc[0], "rival_flag": kept["flag"].iloc[0]}
        elif UNFINISHED in set(own["flag"]):
            best["rival_flag"] = UNFINISHED
        rows.append(setting | best)
    return pd.DataFrame(rows, columns=[*factors.settings, "rival", "rival_flag"])


def leads_by_seed(
    evaluations: pd.DataFrame,
    chosen: pd.DataFrame,
    factors: Factors,
    metric: Metric = ACCURACY,
) -> pd.DataFrame:
    """The lead of each activation over its rival with each seed with which both learned.

    Columns: Factors.cell, `seed`, and `lead`: how much better it is on the test.
    """
    at_choice = evaluations.merge(chosen[[*factors.cell, "lr"]])
    learned = at_choice[at_choice["outcome"] == "learned"]
    of_rivals = rivals(chosen, factors, metric).merge(
        learned, left_on=[*factors.settings, "rival"], right_on=factors.cell
    )
    pairs = learned[~learned["activation"].isin(BASES)].merge(
        of_rivals[[*factors.settings, "seed", "final"]],
        on=[*factors.settings, "seed"],
        suffixes=("", "_rival"),
    )
    lead = metric.gain(pairs["final"], pairs["final_rival"])
    return pairs[[*factors.cell, "seed"]].assign(lead=lead)


def leads(
    by_seed: pd.DataFrame, chosen: pd.DataFrame, factors: Factors, metric: Metric = ACCURACY
) -> pd.DataFrame:
    """One row a cell of an activation beside BASES: its lead over the better one of these.

    Columns: Factors.cell, `rival`, those of stats.Comparison, `p_holm` with Holm's correction over
    the table, and `flag`. A flagged cell, or one with a flagged rival, has no lead, and the flag is
    its `method`. `by_seed`: of leads_by_seed.
    """
    values = dict(iter(by_seed.groupby(factors.cell, sort=False)["lead"]))
    others = chosen[~chosen["activation"].isin(BASES)].merge(rivals(chosen, factors, metric))
    rows = []
    for cell in others.to_dict("records"):
        key = tuple(cell[name] for name in factors.cell)
        flag = _flag(cell)
        found = Comparison(0, flag) if flag else _compare_with_zero(values.get(key))
        about = {name: cell[name] for name in [*factors.cell, "rival"]}
        rows.append(about | vars(found) | {"flag": flag})
    return _corrected(rows, [*factors.cell, "rival", *Comparison.__annotations__, "flag"])


def slopes(by_seed: pd.DataFrame, lead_table: pd.DataFrame, factors: Factors) -> pd.DataFrame:
    """One row a panel and activation: how its lead changes each time that the axis doubles.

    The slope of the lead on log2 of Factors.axis is fitted to each seed by least squares, with the
    values of the axis at which the cell gets a verdict, and the seeds that have a lead at all of
    these. Columns: Factors.panel, `activation`, `values`, `lowest` and `highest` of the axis, those
    of stats.Comparison (`n` seeds), and `p_holm`. Empty where the axis has no logarithm.
    """
    names = [*factors.panel, "activation"]
    columns = [*names, "values", "lowest", "highest", *Comparison.__annotations__]
    axis = factors.axis
    if axis is None or (lead_table[axis] <= 0).any():
        return _corrected([], columns)
    with_verdict = lead_table[lead_table["flag"] == ""]
    usable = dict(iter(by_seed.merge(with_verdict[factors.cell]).groupby(names, sort=False)))
    rows = []
    for about, _ in grouped(lead_table, names):
        own = usable.get(tuple(about.values()), by_seed.head(0))
        values = sorted(set(own[axis]))
        found = Comparison(0, TOO_FEW)
        if len(values) > 1:
            found = _compare_with_zero(slope_by_seed(own, axis))
        lowest, highest = min(values, default=np.nan), max(values, default=np.nan)
        ends = {"values": len(values), "lowest": lowest, "highest": highest}
        rows.append(about | ends | vars(found))
    return _corrected(rows, columns)


def slope_by_seed(leads_of_one: pd.DataFrame, axis: str) -> "pd.Series[float]":
    """Least-squares slope of `lead` on log2 of the axis, of each seed with all values of it."""
    by_value = leads_of_one.set_index(["seed", axis])["lead"].unstack().dropna()  # noqa: PD010
    x = np.log2(by_value.columns.to_numpy(float))
    x -= x.mean()
    return by_value @ pd.Series(x / (x @ x), by_value.columns)


def _compare_with_zero(values: "pd.Series[float] | None") -> Comparison:
    if values is None:
        return Comparison(0, stats.NO_PAIR)
    values = values.reset_index(drop=True)
    return compare_pair(values, 0 * values)


def _flag(cell: Mapping[Any, Any]) -> str:
    """Whose flag keeps a lead from a verdict, or ''."""
    own = f"{cell['activation']}: {cell['flag']}" if cell["flag"] else ""
    rival = cell["rival"] or " and ".join(BASES)
    theirs = f"{rival}: {cell['rival_flag']}" if cell["rival_flag"] else ""
    return "; ".join(text for text in (own, theirs) if text)


def _corrected(rows: Sequence[Row], columns: Sequence[str]) -> pd.DataFrame:
    table = pd.DataFrame(rows, columns=list(columns))
    table["p_holm"] = stats.holm([row["p"] for row in rows])
    # Columns of None alone would be no numbers.
    return table.astype(dict.fromkeys([*stats.ESTIMATED, "p", "p_holm"], float))
