"""The pictures of a page: what draws them, in any process, and their files."""

import base64
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from matplotlib.figure import Figure

from actscope.report.figures import style

PNG, SVG = ".png", ".svg"
SLIDE = f"_{style.SLIDE_WIDTH}.png"  # the end of its name


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
    is_for_slides: bool = False

    def task(self) -> "Task":
        """What draws it, with its data."""
        return Task(partial(self.draw, *self.data()), self.is_for_slides)


@dataclass(frozen=True, eq=False)
class Task:
    """The call that draws a figure, and whether it also gives a PNG for slides. Picklable."""

    draw: Callable[[], Figure]
    is_for_slides: bool


@dataclass(frozen=True, eq=False)
class DrawnPicture:
    """A picture with its images, as `render` gives them."""

    picture: Picture
    rendered: Mapping[str, bytes]

    @property
    def files(self) -> dict[str, bytes]:
        """Its images, by their names in the report's folder."""
        return {f"figures/{self.picture.name}{end}": data for end, data in self.rendered.items()}

    @property
    def data_uri(self) -> str:
        return f"data:image/png;base64,{base64.b64encode(self.rendered[PNG]).decode()}"

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the PNG, which begin at its byte 16 (RFC 2083, 11.2.1)."""
        png = self.rendered[PNG]
        return int.from_bytes(png[16:20], "big"), int.from_bytes(png[20:24], "big")


def picture(
    name: str,
    section: str,
    caption: str,
    alt: str,
    draw: Callable[..., Figure],
    data: Callable[[], tuple[Any, ...]] = tuple,
    *,
    is_for_slides: bool = False,
) -> Picture:
    # A name from the store must not lead out of the folder.
    safe = re.sub(r"[^A-Za-z0-9_.-]", "-", name)
    return Picture(safe, section, caption, alt, draw, data, is_for_slides)


def render(task: Task) -> dict[str, bytes]:
    """PNG, SVG and, for slides, a larger PNG of what a task draws, by the ends of their names."""
    with style.drawing_style():
        figure = task.draw()
        images = {f".{kind}": data for kind, data in style.render(figure).items()}
        return images | ({SLIDE: style.render_slide(figure)} if task.is_for_slides else {})
