"""The article's five panels of one run as a page to point at; it works without a network."""

from pathlib import Path

import pandas as pd
import plotly.graph_objects as go  # type: ignore[import-untyped]
from plotly.subplots import make_subplots  # type: ignore[import-untyped]

from actscope.panels import PANELS, STEPS_SHOWN, UNIT_STYLES, UNITS_SHOWN, Panel
from actscope.train import RunResult

DASHES = {"-": "solid", "--": "dash"}
PIXELS = 1100  # the height of all panels
HOVER = "%{fullData.name}<br>minibatch %{x}: %{y:.4g}<extra></extra>"


def save_trajectories(result: RunResult, path: Path) -> None:
    """Write the page of one run; the same run gives the same bytes."""
    # plotly otherwise draws the id of the figure's element by lot.
    text = draw(result).to_html(include_plotlyjs=True, div_id="trajectories")
    path.write_text(f"{text}\n")


def draw(result: RunResult) -> go.Figure:
    """The panels one under the other on one axis of minibatches, a line a unit."""
    titles = [panel.title for panel in PANELS]
    figure = make_subplots(
        len(PANELS), 1, shared_xaxes=True, vertical_spacing=0.035, subplot_titles=titles
    )
    figure.update_annotations(x=0, xanchor="left", font_size=13)
    for row, panel in enumerate(PANELS, 1):
        lines = lines_of(result, panel)
        figure.add_traces(lines, rows=row, cols=1)
        if not lines:  # it diverged at once
            figure.add_annotation(
                text="nothing recorded", x=0.5, y=0.5, showarrow=False, row=row, col=1
            )
    figure.update_yaxes(range=[0, 102], row=1)  # a line at 100 % stays in sight
    figure.update_xaxes(title_text="minibatches", row=len(PANELS))
    figure.update_layout(
        title=f"{result.point}: {result.outcome}",
        template="plotly_white",
        height=PIXELS,
        showlegend=False,
    )
    return figure


def lines_of(result: RunResult, panel: Panel) -> list[go.Scatter]:
    """The lines of a panel; none where nothing was recorded."""
    if panel.layer == 0:
        train = result.history[result.history["split"] == "train"]
        accuracy = 100 * train.set_index("step")["accuracy"]
        return _line("accuracy", accuracy, "black")
    trajectory = result.trajectory
    layer = trajectory["layer"].max() if panel.layer == -1 else panel.layer
    rows = trajectory[(trajectory["layer"] == layer) & (trajectory["unit"] < UNITS_SHOWN)]
    return [
        line
        for (unit, own), (colour, style) in zip(rows.groupby("unit"), UNIT_STYLES, strict=False)
        for line in _line(
            f"unit {unit}", own.set_index("step")[panel.quantity], colour, DASHES[style]
        )
    ]


def _line(
    name: str, values: "pd.Series[float]", colour: str, dash: str = "solid"
) -> list[go.Scatter]:
    """A line of values by step; where there is but one, a dot; where there is none, nothing."""
    shown = values.iloc[:: max(1, len(values) // STEPS_SHOWN)]
    if shown.empty:
        return []
    line = go.Scatter(
        x=shown.index.to_numpy(),
        y=shown.to_numpy(),
        name=name,
        mode="markers" if len(shown) == 1 else "lines",
        line={"color": colour, "dash": dash, "width": 1.3},
        hovertemplate=HOVER,
    )
    return [line]
