"""The article's five panels of one run as a page to point at; it works without a network."""

from pathlib import Path

import plotly.graph_objects as go  # type: ignore[import-untyped]
from plotly.subplots import make_subplots  # type: ignore[import-untyped]

from actscope.artifacts.panels import ACCURACY_SHOWN, PANELS, Line, lines_of
from actscope.engine.result import RunResult

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
        lines = lines_of(result.history, result.trajectory, panel)
        figure.add_traces([_drawn(line) for line in lines], rows=row, cols=1)
        if not lines:  # it diverged at once
            figure.add_annotation(
                text="nothing recorded", x=0.5, y=0.5, showarrow=False, row=row, col=1
            )
    figure.update_yaxes(range=ACCURACY_SHOWN, row=1)
    figure.update_xaxes(title_text="minibatches", row=len(PANELS))
    figure.update_layout(
        title=f"{result.point}: {result.outcome}",
        template="plotly_white",
        height=PIXELS,
        showlegend=False,
    )
    return figure


def _drawn(line: Line) -> go.Scatter:
    """A line of values by step; where there is but one, a dot."""
    return go.Scatter(
        # plotly makes int64 as small as it goes, and no other kind.
        x=line.by_step.index.to_numpy("int64"),
        y=line.by_step.to_numpy(),
        name=line.name,
        mode="markers" if len(line.by_step) == 1 else "lines",
        line={"color": line.colour, "dash": DASHES[line.style], "width": 1.3},
        hovertemplate=HOVER,
    )
