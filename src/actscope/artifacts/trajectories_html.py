"""The article's five panels of one run as an interactive page, which needs no network."""

from pathlib import Path

import plotly.graph_objects as go  # type: ignore[import-untyped]
from plotly.subplots import make_subplots  # type: ignore[import-untyped]

from actscope.artifacts.panels import Line, limits_of, lines_of, panels_of
from actscope.engine.result import RunResult

DASHES = {"-": "solid", "--": "dash"}
PIXELS = 1100  # the height of all panels
HOVER = "%{fullData.name}<br>minibatch %{x}: %{y:.4g}<extra></extra>"


def save_trajectories(result: RunResult, path: Path) -> None:
    """Write the page of one run; the same run gives the same bytes."""
    # Without div_id plotly chooses a random one.
    text = draw(result).to_html(include_plotlyjs=True, div_id="trajectories")
    path.write_text(f"{text}\n")


def draw(result: RunResult) -> go.Figure:
    """The panels below each other with a common axis of minibatches, one line a unit."""
    panels = panels_of(result.point.train.judged_by)
    titles = [panel.title for panel in panels]
    figure = make_subplots(
        len(panels), 1, shared_xaxes=True, vertical_spacing=0.035, subplot_titles=titles
    )
    figure.update_annotations(x=0, xanchor="left", font_size=13)
    for row, panel in enumerate(panels, 1):
        lines = lines_of(result.history, result.trajectory, panel)
        figure.add_traces([_drawn(line) for line in lines], rows=row, cols=1)
        if not lines:  # the run diverged at once
            figure.add_annotation(
                text="nothing recorded", x=0.5, y=0.5, showarrow=False, row=row, col=1
            )
    of_metric = lines_of(result.history, result.trajectory, panels[0])
    figure.update_yaxes(range=limits_of(panels[0], of_metric), row=1)
    figure.update_xaxes(title_text="minibatches", row=len(panels))
    figure.update_layout(
        title=f"{result.point}: {result.outcome}",
        template="plotly_white",
        height=PIXELS,
        showlegend=False,
    )
    return figure


def _drawn(line: Line) -> go.Scatter:
    """A line of values by step; a single value is a dot."""
    return go.Scatter(
        # plotly stores int64 in the smallest type that fits, and no other type.
        x=line.steps.astype("int64"),
        y=line.numbers,
        name=line.name,
        mode="markers" if len(line.steps) == 1 else "lines",
        line={"color": line.colour, "dash": DASHES[line.style], "width": 1.3},
        hovertemplate=HOVER,
    )
