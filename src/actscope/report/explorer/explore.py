"""The explorer: a page that shows units and metric of any run of a report, by step."""

from collections.abc import Iterator, Mapping
from importlib.resources import files
from typing import Any
from urllib.parse import quote

import pandas as pd

from actscope.analysis.axis import RATE
from actscope.analysis.factors import find_factors, short_name
from actscope.analysis.frames import StudyRuns
from actscope.analysis.labels import rate_text
from actscope.analysis.units import names_by_run
from actscope.artifacts.panels import UNIT_PANELS, UNITS_SHOWN, Panel
from actscope.artifacts.unit_fates import SATURATED_SHARE
from actscope.metric import Metric
from actscope.report.explorer import series
from actscope.report.templates import environment
from actscope.tracking.ui import POINT_DIGITS

NAME = "explore.html"
METRIC = "metric"  # the quantity of the first panel
ACTIVE = Panel("(6) layer 1: active on, % of the minibatch", "active", 1)


def build(title: str, studies: Mapping[str, StudyRuns], packed: Mapping[str, str]) -> bytes:
    """The page on used runs of these studies, by label; '' for a single study.

    `packed`: the series of each run to show, as `series.pack` gives them, by its id.
    """
    shown = [
        (label, study, study.used[study.used["run_id"].isin(list(packed))])
        for label, study in studies.items()
    ]
    runs = [run for label, study, own in shown for run in _listed(label, study, own)]
    factors = {name: None for run in runs for name in run["factors"]}
    metric = next(iter(studies.values())).metric
    page = environment.load("explore.html.j2").render(
        title=title,
        packed=[packed[run_id] for _, _, own in shown for run_id in own["run_id"]],
        metric=metric,
        index={
            "runs": runs,
            "factors": {name: short_name(name).replace("_", " ") for name in factors},
            "panels": _panels(metric),
            "first": UNITS_SHOWN,
            "metric": {
                "words": metric.words,
                "unit": metric.behind,
                "decimals": metric.decimals,
                "top": metric.part(103),
                "note": "; below 0 drawn at 0" if metric.cut_off else "",
                "levels": series.METRIC_LEVELS,
            },
        },
        limits=series,
        first=UNITS_SHOWN,
        saturated=SATURATED_SHARE,
        plotly=_script("plotly", "package_data/plotly.min.js"),
        script=_script("actscope.report.explorer", "explore.js"),
    )
    return f"{page}\n".encode()


def _panels(metric: Metric) -> list[dict[str, str]]:
    shown = [Panel(metric.heading(f"(1) {metric.words}"), METRIC, 0), *UNIT_PANELS, ACTIVE]
    return [
        {"title": panel.title, "quantity": panel.quantity, "layer": str(panel.layer)}
        for panel in shown
    ]


def address(label: str, run: Mapping[Any, Any]) -> str:
    """Address of the explorer's page for a row of StudyRuns.runs."""
    parts = [run["activation"], rate_text(run["lr"]), str(run["seed"])]
    group = _group(label, run)
    return f"{NAME}#a={'/'.join(quote(part, safe='') for part in [*parts, *filter(None, [group])])}"


def _group(label: str, run: Mapping[Any, Any]) -> str:
    """The study and variant of a run: what its address holds besides activation, rate and seed."""
    return f"{label} {run['variant']}".strip()


def _listed(label: str, study: StudyRuns, shown: pd.DataFrame) -> Iterator[dict[str, Any]]:
    learned = {
        tuple(cell[name] for name in RATE.cell): f"{cell['learned']} of {cell['runs']}"
        for cell in study.cells.to_dict("records")
    }
    names = names_by_run(study)
    factors, settings = find_factors(study.params)
    settings_of = settings.to_dict("index")
    for run in shown.to_dict("records"):
        own = settings_of[run["run_id"]]
        yield {
            "group": _group(label, run),
            "factors": {name: f"{own[name]:.12g}" for name in factors.names},
            "variant": _group(label, own),
            "activation": run["activation"],
            "lr": rate_text(run["lr"]),
            "point": run["point"][:POINT_DIGITS],
            "seed": str(run["seed"]),  # as text: it may have 63 bits, a number of JavaScript has 53
            "outcome": run["outcome"],
            "learned": learned[tuple(run[name] for name in RATE.cell)],
            "names": names.get(run["run_id"], []),
            "final": study.metric.number(run["final"]) or None,
        }


def _script(package: str, path: str) -> str:
    """A shipped script that is safe inside an HTML page."""
    text = files(package).joinpath(path).read_text(encoding="utf-8")
    assert "</script" not in text.lower(), path
    return text
