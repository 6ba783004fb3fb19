"""The pictures of a page: what draws them, in any process, and their files."""

import base64
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from matplotlib.figure import Figure

from actscope.report.figures import style


@dataclass(frozen=True, eq=False)
class Picture:
    """A figure that is not drawn yet, and the words about it.

    `draw` makes it in any process, from what `data` returns. `data` is called only if the picture
    is drawn.
    """

    name: str  # of its files, without the ending
    section: str
    caption: str
    alt: str
    draw: Callable[..., Figure]
    data: Callable[[], tuple[Any, ...]] = tuple

    def task(self) -> Callable[[], Figure]:
        """The call that draws it, with its data."""
        return partial(self.draw, *self.data())


@dataclass(frozen=True, eq=False)
class DrawnPicture:
    """A picture with its PNG and SVG, as `render` gives them."""

    picture: Picture
    rendered: Mapping[str, bytes]

    @property
    def files(self) -> dict[str, bytes]:
        """Its PNG and SVG, by their names in the report's folder."""
        return {f"figures/{self.picture.name}.{kind}": data for kind, data in self.rendered.items()}

    @property
    def data_uri(self) -> str:
        return f"data:image/png;base64,{base64.b64encode(self.rendered['png']).decode()}"

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the PNG, which begin at its byte 16 (RFC 2083, 11.2.1)."""
        png = self.rendered["png"]
        return int.from_bytes(png[16:20], "big"), int.from_bytes(png[20:24], "big")


def picture(
    name: str,
    section: str,
    caption: str,
    alt: str,
    draw: Callable[..., Figure],
    data: Callable[[], tuple[Any, ...]] = tuple,
) -> Picture:
    # A name from the store must not lead out of the folder.
    safe = re.sub(r"[^A-Za-z0-9_.-]", "-", name)
    return Picture(safe, section, caption, alt, draw, data)


def render(task: Callable[[], Figure]) -> dict[str, bytes]:
    """PNG and SVG of the figure that a picture's task draws, by their kinds."""
    with style.drawing_style():
        return style.render(task())
