"""matplotlib as every picture here is drawn: in its own defaults, whatever a user has set.

matplotlib reads MPLBACKEND and the user's matplotlibrc as it is imported, and may fail over either.
So what draws imports it from here, or after this module.
"""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from actscope.errors import LibraryError, first_line

# Figures are drawn by canvases of their own; a backend that is gone would stop the import.
chosen = os.environ.get("MPLBACKEND")
os.environ["MPLBACKEND"] = "agg"
try:
    import matplotlib
    import matplotlib.style
    from matplotlib.axes import Axes
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
except Exception as error:
    reason = f"matplotlib cannot be imported: {first_line(error)}"
    raise LibraryError(f"{reason}. Correct matplotlibrc, or install matplotlib again") from error
finally:
    # A notebook's own pictures go by its own choice.
    if chosen is None:
        del os.environ["MPLBACKEND"]
    else:
        os.environ["MPLBACKEND"] = chosen

__all__ = ["Axes", "Figure", "FigureCanvasAgg", "own_style"]


@contextmanager
def own_style(settings: Mapping[str, Any] | None = None) -> Iterator[None]:
    """Context to draw and render in: matplotlib's defaults with these settings, and no user's."""
    with matplotlib.rc_context():
        matplotlib.style.use(["default", dict(settings or {})])
        # Not a part of styles; unset, the ids in an SVG are random.
        matplotlib.rcParams["svg.hashsalt"] = "actscope"
        yield
