"""The explorer: a page to look at any run of a report, units and accuracy on one axis of steps."""

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from importlib.resources import files
from typing import Any, NamedTuple
from urllib.parse import quote

import pandas as pd

from actscope import tracking
from actscope.dying import SATURATED_SHARE, unit_fates
from actscope.panels import PANELS, UNITS_SHOWN, Panel
from actscope.report import series, templates
from actscope.report.frames import StudyRuns, rate_text, read_run_file
from actscope.tracking import Store

NAME = "explore.html"
SHOWN = [
    Panel("(1) accuracy, %", "accuracy", 0),
    *PANELS[1:],
    Panel("(6) layer 1: active on, % of the minibatch", "active", 1),
]
SHOWN_IN_JSON = [
    {"title": panel.title, "quantity": panel.quantity, "layer": str(panel.layer)} for panel in SHOWN
]


def build(
    store: Store, title: str, studies: Mapping[str, StudyRuns], on_run: Callable[[], None]
) -> bytes:
    """The page on all used runs of these studies, by the name that each has on it, '' if alone.

    `on_run` is called after each run that is read.

    Raises:
        ReportError: a file of a run cannot be read.

    """
    runs, packed = [], []
    for label, study in studies.items():
        for run, text in zip(_listed(label, study), _packed(store, study), strict=True):
            runs.append(run)
            packed.append(text)
            on_run()
    page = templates.load("explore.html.j2").render(
        title=title,
        packed=packed,
        index={"runs": runs, "panels": SHOWN_IN_JSON, "first": UNITS_SHOWN},
        carried=series,
        first=UNITS_SHOWN,
        saturated=SATURATED_SHARE,
        plotly=_script("plotly", "package_data/plotly.min.js"),
        script=_script("actscope.report", "explore.js"),
    )
    return f"{page}\n".encode()


def address(label: str, run: Mapping[Any, Any]) -> str:
    """Where in the report the explorer shows a row of StudyRuns.runs."""
    parts = [run["activation"], rate_text(run["lr"]), str(run["seed"])]
    group = _group(label, run)
    return f"{NAME}#a={'/'.join(quote(part, safe='') for part in [*parts, *filter(None, [group])])}"


def _group(label: str, run: Mapping[Any, Any]) -> str:
    """What a reader chooses beside activation, rate and seed: the study and its variant."""
    return f"{label} {run['variant']}".strip()


def _listed(label: str, study: StudyRuns) -> Iterator[dict[str, Any]]:
    for run in study.used.to_dict("records"):
        yield {
            "group": _group(label, run),
            "activation": run["activation"],
            "lr": rate_text(run["lr"]),
            "seed": str(run["seed"]),  # as text: it may have 63 bits, a number of JavaScript has 53
            "outcome": run["outcome"],
            "final": None if pd.isna(run["final"]) else round(100 * run["final"], 2),
        }


def _packed(store: Store, study: StudyRuns) -> Iterator[str]:
    """The series of each used run of the study, packed."""
    has_probe = study.unit_shares.notna().any(axis=1)
    # The units of a run that diverged end in the middle of something.
    asked = [
        _Asked(run["run_id"], run["outcome"] != "diverged" and bool(has_probe[run["run_id"]]))
        for run in study.used.to_dict("records")
    ]
    return tracking.read_in_order(store, partial(_pack, store, study.study), asked)


class _Asked(NamedTuple):
    run_id: str
    is_judged: bool  # whether it is known what has become of its units


def _pack(store: Store, study: str, asked: _Asked) -> str:
    def read(table: Callable[[Store, str, str], pd.DataFrame]) -> pd.DataFrame:
        return read_run_file(table, store, study, asked.run_id)

    trajectory = read(tracking.read_trajectory)
    fates = unit_fates(trajectory, read(tracking.read_probe)) if asked.is_judged else pd.DataFrame()
    return series.pack(series.run_series(read(tracking.read_history), trajectory, fates))


def _script(package: str, path: str) -> str:
    """A script that is shipped, as it may stand in a page."""
    text = files(package).joinpath(path).read_text(encoding="utf-8")
    assert "</script" not in text.lower(), path
    return text
