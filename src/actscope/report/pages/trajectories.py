"""The pictures of trajectories, one for each activation: the runs of a seed, side by side."""

from collections.abc import Sequence
from functools import partial

import pandas as pd
from matplotlib.figure import Figure

from actscope.analysis.axis import RATE, Axis
from actscope.analysis.labels import sort_key
from actscope.analysis.run_tables import read_run_table
from actscope.analysis.study_analysis import StudyAnalysis
from actscope.analysis.units import names_by_run
from actscope.metric import Metric
from actscope.report.figures.trajectories import Drawn, draw_trajectories
from actscope.report.pages.page import Picture
from actscope.tracking import Store

ARTICLE_RATES = {0.01, 0.001}


def trajectory_picture(
    store: Store, study: StudyAnalysis, runs: pd.DataFrame, name: str, title: str, note: str
) -> Picture:
    """The trajectories of these runs, a column for each; `note`: the end of the caption."""
    axis, names = study.axis, names_by_run(study.runs)
    rows = as_columns(runs, axis).to_dict("records")
    columns = [
        (run["run_id"], axis.equals(run[axis.column]), run["outcome"], names.get(run["run_id"], []))
        for run in rows
    ]
    return Picture(
        name,
        "How units move and die",
        f"{title}: from top to bottom, training {study.metric.words}, then mean incoming "
        "weight and bias of the output units and of the first ten units of layer 1, by "
        f"minibatch.{study.metric.cut_off} A line that moves is a unit that learns; "
        f"the article reads a flat line as a dying unit.{note}",
        f"Five rows of panels for {title}, one column per {axis.label}: "
        + "; ".join(f"{axis.text(row[axis.column])} {row['outcome']}" for row in rows),
        partial(_draw_trajectories, store, study.runs.study, columns, title, study.metric),
    )


def _draw_trajectories(
    store: Store,
    study: str,
    columns: Sequence[tuple[str, str, str, Sequence[str]]],
    title: str,
    metric: Metric,
) -> Figure:
    drawn = []
    for run_id, where, outcome, names in columns:
        history = read_run_table("history", store, study, run_id)
        trajectory = read_run_table("trajectory", store, study, run_id)
        drawn.append(Drawn(where, outcome, history, trajectory, names))
    return draw_trajectories(title, drawn, metric)


def as_columns(runs: pd.DataFrame, axis: Axis = RATE) -> pd.DataFrame:
    """Runs in the order of the axis; the article's two rates in its order: 0.01, then 0.001."""
    is_article = axis.is_rate and set(runs[axis.column]) == ARTICLE_RATES
    return runs.sort_values(axis.column, key=sort_key, ascending=not is_article, kind="stable")
