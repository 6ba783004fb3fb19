"""The metric of a study: all its runs have one."""

import pandas as pd

from actscope.errors import ReportError
from actscope.metric import ACCURACY, Metric, metric_of


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
