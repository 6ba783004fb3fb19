"""The charts that MLflow's UI opens for a study, as its shared view keeps them.

The form is that of MLflow's page of runs (RunsChartsCardConfig and ChartSectionConfig in its
sources). MLflow adds a section for each other group of metrics below these.
"""

from typing import Any

from actscope.metric import Metric

LINE, BAR = "LINE", "BAR"
# MLflow's own sections, closed: many of their charts are of one value, or of zeros.
CLOSED = ("dead", "flat", "saturated", "silent", "start", "test", "train", "validation")
GROUPS_SHOWN = 100
LINE_SETTINGS = {
    "scaleType": "linear",
    "xAxisKey": "step",
    "xAxisScaleType": "linear",
    "selectedXAxisMetricKey": "",
    "lineSmoothness": 0,
    "range": {},
}


def charts_state(metric: Metric) -> dict[str, Any]:
    """The part of a view's state that has its sections and charts."""
    sections = sections_of(metric)
    own = [
        {**_section(title), "columns": 1 if kind == LINE else 2, "cardHeight": 320}
        for title, (kind, _) in sections.items()
    ]
    return {
        "compareRunSections": [*own, *({**_section(n), "display": False} for n in CLOSED)],
        "compareRunCharts": [
            _chart(title, kind, key) for title, (kind, keys) in sections.items() for key in keys
        ],
        "isAccordionReordered": True,  # else MLflow sorts the sections by name
        "hideEmptyCharts": True,
    }


def sections_of(metric: Metric) -> dict[str, tuple[str, tuple[str, ...]]]:
    """Kind of chart and MLflow's metrics, by title."""
    by_epoch = tuple(f"{split}/{metric.name}" for split in ("test", "validation"))
    final = tuple(f"{name}_final" for name in by_epoch)
    return {
        f"{metric.title} by epoch": (LINE, by_epoch),
        f"Final {metric.words}": (BAR, final),
        "Share of hidden units that pass no gradient": (BAR, ("dead/hidden", "saturated/hidden")),
        "Loss by epoch": (LINE, ("train/loss", "test/loss", "validation/loss")),
    }


def _section(title: str) -> dict[str, Any]:
    return {"uuid": f"actscope {title}", "name": title, "display": True, "isReordered": True}


def _chart(title: str, kind: str, metric: str) -> dict[str, Any]:
    return {
        "type": kind,
        "uuid": f"actscope {metric}",
        "metricSectionId": f"actscope {title}",
        "deleted": False,
        "isGenerated": False,
        "runsCountToCompare": GROUPS_SHOWN,
        "metricKey": metric,
        **({"selectedMetricKeys": [metric], **LINE_SETTINGS} if kind == LINE else {}),
    }
