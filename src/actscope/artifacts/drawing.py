"""Imports matplotlib with its own defaults, whatever the user has set.

On import matplotlib reads MPLBACKEND and the user's matplotlibrc, and either may make it fail. So
all modules that draw import matplotlib from here, or after this module.
"""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from actscope.errors import LibraryError, first_line

# Figures have their own canvases, and a missing backend would make the import fail.
chosen = os.environ.get("MPLBACKEND")
os.environ["MPLBACKEND"] = "agg"
try:
    import matplotlib
    import matplotlib.style
    from matplotlib.axes import Axes
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
except Exception as error:
    raise LibraryError(
        f"matplotlib cannot be imported: {first_line(error)}. Correct matplotlibrc, or install "
        "matplotlib again."
    ) from error
finally:
    # A notebook's own pictures use its own backend.
    if chosen is None:
        del os.environ["MPLBACKEND"]
    else:
        os.environ["MPLBACKEND"] = chosen

__all__ = ["Axes", "Figure", "FigureCanvasAgg", "own_style"]


@contextmanager
def own_style(settings: Mapping[str, Any] | None = None) -> Iterator[None]:
    """Draw with matplotlib's defaults and these settings, without the user's settings."""
    with matplotlib.rc_context():
        matplotlib.style.use(["default", dict(settings or {})])
        # Styles do not include it; without it the ids in an SVG are random.
        matplotlib.rcParams["svg.hashsalt"] = "actscope"
        yield
