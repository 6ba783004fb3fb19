"""The settings of a study's runs, as text, from their parameters; the metric that they set."""

import pandas as pd

from actscope.analysis.logged_settings import LATER, NETWORK, is_setting, read_setting
from actscope.analysis.varying import LEARNING_RATE
from actscope.errors import ReportError
from actscope.metric import ACCURACY, Metric, metric_of
from actscope.tracking import PARAMS

NAMED_BY = ["activation", LEARNING_RATE, "seed"]  # the settings that every run must have
NO_PARAMETERS = "has no parameters"


def settings_of(by_run: pd.DataFrame) -> pd.DataFrame:
    """The parameters that are settings of points, by run id, with those of NAMED_BY and LATER."""
    params = named(by_run, PARAMS)
    settings = params[sorted(str(name) for name in params if is_setting(str(name)))]
    missing = {name: None for name in [*NAMED_BY, *LATER] if name not in settings}
    return settings.assign(**missing).fillna(LATER)


def named(by_run: pd.DataFrame, beginning: str) -> pd.DataFrame:
    """The columns whose names have this beginning, under the rest of their names."""
    own = by_run.loc[:, by_run.columns.str.startswith(beginning)]
    return own.rename(columns=lambda name: name.removeprefix(beginning))


def setting_faults(settings: pd.DataFrame) -> dict[str, str]:
    """The faults of invalid settings, by run id."""
    lacking = settings[NAMED_BY].isna().any(axis="columns")
    faults = dict.fromkeys(settings.index[lacking], NO_PARAMETERS)
    networks = settings.reindex(columns=[NETWORK])[NETWORK].dropna().index
    for name, texts in settings.items():
        for run_id, text in texts.dropna().items():
            if fault := read_setting(str(name), text, of_own_network=run_id in networks).fault:
                faults.setdefault(run_id, f"cannot be read: {fault}")
    return faults


def find_metric(study: str, found: pd.DataFrame, params: pd.DataFrame) -> Metric:
    """What the finished runs of a study are judged by, or all runs if none is finished.

    `found`: of tracking.read_runs; `params`: their settings as text, by run id.

    Raises:
        ReportError: they are judged by different metrics.

    """
    finished = found.loc[found["status"] == "FINISHED", "run_id"]
    own = params[params.index.isin(finished)]
    names = ["train.loss", "train.metric"]
    pairs = (own if len(own) else params).reindex(columns=names).drop_duplicates()
    rows = pairs.itertuples(index=False, name=None)
    metrics = {metric_of(dict(zip(names, row, strict=True))): None for row in rows}
    if len(metrics) > 1:
        words = " and ".join(metric.words for metric in metrics)
        raise ReportError(
            f"study={study}: its runs are judged by different metrics, {words}. Train those of "
            "each metric as a study of its own."
        )
    return next(iter(metrics), ACCURACY)
