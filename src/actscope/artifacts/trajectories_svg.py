"""The article's five panels of one run as a picture, which MLflow's UI shows.

Each run of a sweep gets one, and a figure of matplotlib takes five times as long to draw.
"""

import math
from collections.abc import Iterator, Sequence
from html import escape
from pathlib import Path
from typing import Any

import numpy as np

from actscope.artifacts.panels import Line, limits_of, lines_of, panels_of
from actscope.engine.result import RunResult

Points = np.ndarray[Any, np.dtype[Any]]

# In tenths of a pixel, so that a line's coordinates are whole numbers.
WIDTH, HEIGHT = 5800, 8900
LEFT, TOP = 720, 700  # of the first panel
PANEL_WIDTH, PANEL_HEIGHT, PANEL_STEP = 4880, 1250, 1600
MARGIN = 0.05  # of a panel's height, above and below its lines
TICKS = 4  # at most between the ends of an axis
DASHES = {"-": "", "--": ' stroke-dasharray="45 25"'}
START = (
    f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" '
    f'width="{WIDTH // 10}" height="{HEIGHT // 10}" role="img">'
)
STYLE = (
    "text{font:105px sans-serif;fill:#222}.title{font-size:120px}"
    "path{fill:none;stroke-width:9;stroke-linejoin:round;stroke-linecap:round}"
    ".axis{stroke:#222;stroke-width:8}.grid{stroke:#ddd;stroke-width:6}.dot{stroke-width:50}"
)


def save_trajectories(result: RunResult, path: Path) -> None:
    """Write the picture of one run; the same run gives the same bytes."""
    path.write_text(draw(result), encoding="utf-8")


def draw(result: RunResult) -> str:
    """The panels below each other with a common axis of minibatches, one line a unit."""
    title = escape(f"{result.point}: {result.outcome}")
    recorded = result.trajectory["step"]
    steps = max(recorded.max(), 1) if len(recorded) else 1  # 0: only the start was recorded
    parts = [
        START,
        f"<title>{title}</title><style>{STYLE}</style>",
        '<rect width="100%" height="100%" fill="white"/>',
        _text(title, WIDTH // 2, 300, "middle", "title"),
    ]
    panels = panels_of(result.point.train.judged_by)
    for number, panel in enumerate(panels):
        lines = lines_of(result.history, result.trajectory, panel)
        limits = limits_of(panel, lines) if panel.layer == 0 else _limits(lines)
        parts.append(f'<g transform="translate({LEFT} {TOP + number * PANEL_STEP})">')
        parts.append(_text(escape(panel.title), PANEL_WIDTH // 2, -60, "middle"))
        parts += _axes((0, float(steps)), limits, has_steps=number == len(panels) - 1)
        parts += [_path(line, float(steps), limits) for line in lines]
        if not lines:  # the run diverged at once
            place = (PANEL_WIDTH // 2, PANEL_HEIGHT // 2)
            parts.append(_text("nothing recorded", *place, "middle"))
        parts.append("</g>")
    parts.append(_text("minibatches", LEFT + PANEL_WIDTH // 2, HEIGHT - 90, "middle"))
    return "\n".join([*parts, "</svg>\n"])


def _limits(lines: Sequence[Line]) -> tuple[float, float]:
    """Lowest and highest value of a panel's axis: those of its lines, and a margin."""
    low = min((float(line.numbers.min()) for line in lines), default=0.0)
    high = max((float(line.numbers.max()) for line in lines), default=1.0)
    if low == high:  # as matplotlib does
        low, high = low - (abs(low) or 1) * MARGIN, high + (abs(high) or 1) * MARGIN
    margin = MARGIN * (high - low)
    return low - margin, high + margin


def _axes(
    steps: tuple[float, float], limits: tuple[float, float], *, has_steps: bool
) -> Iterator[str]:
    """Ticks with their labels, grid lines and the frame of a panel."""
    for value, label in ticks(*limits):
        y = round(PANEL_HEIGHT * (1 - _share(value, limits)))
        yield f'<path class="grid" d="M0,{y}h{PANEL_WIDTH}"/>'
        yield _text(label, -60, y + 38, "end")
    for value, label in ticks(*steps):
        x = round(PANEL_WIDTH * _share(value, steps))
        yield f'<path class="grid" d="M{x},0v{PANEL_HEIGHT}"/>'
        if has_steps:
            yield _text(label, x, PANEL_HEIGHT + 150, "middle")
    yield f'<path class="axis" d="M0,0h{PANEL_WIDTH}v{PANEL_HEIGHT}h-{PANEL_WIDTH}z"/>'


def _path(line: Line, steps: float, limits: tuple[float, float]) -> str:
    """A line of values by step; a single value is a dot."""
    x = np.rint(PANEL_WIDTH * _share(line.steps.astype(float), (0, steps))).astype(int)
    y = np.rint(PANEL_HEIGHT * (1 - _share(line.numbers, limits)))
    moves = np.diff(np.stack([x, y.astype(int)], axis=1), axis=0).ravel().tolist()
    start = f"M{x[0]},{int(y[0])}l" + (" ".join(map(str, moves)) or "0 0")
    style = f'stroke="{line.colour}"{DASHES[line.style]}'
    dot = "" if moves else ' class="dot"'
    return f'<path{dot} {style} d="{start}"><title>{escape(line.name)}</title></path>'


def _share(values: Any, limits: tuple[float, float]) -> Any:
    """Where values lie between the limits, from 0 to 1."""
    return (values - limits[0]) / (limits[1] - limits[0])


def ticks(low: float, high: float) -> list[tuple[float, str]]:
    """Round values between two limits, at most five, with their labels.

    >>> [label for _, label in ticks(-0.013, 0.041)]
    ['0.00', '0.02', '0.04']
    """
    rough = (high - low) / TICKS
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= rough * (1 - 1e-9))
    numbers = range(math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9) + 1)
    decimals = max(0, -math.floor(math.log10(step) + 1e-9))
    is_plain = 1e-4 <= step < 1e6
    return [
        (number * step, f"{number * step:.{decimals}f}" if is_plain else f"{number * step:.2g}")
        for number in numbers
    ]


def _text(text: str, x: int, y: int, anchor: str, kind: str = "") -> str:
    css = f' class="{kind}"' if kind else ""
    return f'<text{css} x="{x}" y="{y}" text-anchor="{anchor}">{text}</text>'
