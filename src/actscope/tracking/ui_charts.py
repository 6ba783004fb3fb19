"""The charts that MLflow's UI opens for a study, as its shared view keeps them.

The form is that of MLflow's page of runs (RunsChartsCardConfig and ChartSectionConfig in its
sources). MLflow adds a section for each other group of metrics below these.
"""

from collections.abc import Mapping
from typing import Any

LINE, BAR = "LINE", "BAR"
SECTIONS: Mapping[str, tuple[str, tuple[str, ...]]] = {  # kind of chart and metrics, by title
    "Accuracy by epoch": (LINE, ("test/accuracy", "validation/accuracy")),
    "Final accuracy": (BAR, ("test/accuracy_final", "validation/accuracy_final")),
    "Share of hidden units that pass no gradient": (BAR, ("dead/hidden", "saturated/hidden")),
    "Loss by epoch": (LINE, ("train/loss", "test/loss", "validation/loss")),
}
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


def charts_state() -> dict[str, Any]:
    """The part of a view's state that has its sections and charts."""
    own = [
        {**_section(title), "columns": 1 if kind == LINE else 2, "cardHeight": 320}
        for title, (kind, _) in SECTIONS.items()
    ]
    return {
        "compareRunSections": [*own, *({**_section(n), "display": False} for n in CLOSED)],
        "compareRunCharts": [
            _chart(title, kind, metric)
            for title, (kind, metrics) in SECTIONS.items()
            for metric in metrics
        ],
        "isAccordionReordered": True,  # else MLflow sorts the sections by name
        "hideEmptyCharts": True,
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
