"""What the pages of all reports share: pictures, sections with them, chapters, and the page."""

import base64
import html
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from matplotlib.figure import Figure

from actscope.analysis.claims.claims import ClaimResult, tally
from actscope.report.explorer import explore
from actscope.report.figures import style
from actscope.report.process_pool import WorkerPool
from actscope.report.tables.files import Table
from actscope.report.templates import environment

PNG, SVG = ".png", ".svg"
SLIDE = f"_{style.SLIDE_WIDTH}.png"  # the end of its name
HEADING = re.compile(r'<h2 id="(.+?)">(.+?)</h2>')  # as the templates have it


@dataclass(eq=False)
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

    def __post_init__(self) -> None:
        # A name from the store must not lead out of the folder.
        self.name = re.sub(r"[^A-Za-z0-9_.-]", "-", self.name)

    def drawing(self) -> Callable[[], Figure]:
        """The call that draws it, with its data; picklable."""
        return partial(self.draw, *self.data())


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


def render(draw: Callable[[], Figure], *, is_for_slides: bool) -> dict[str, bytes]:
    """PNG, SVG and, for slides, a larger PNG of what is drawn, by the ends of their names."""
    with style.drawing_style():
        figure = draw()
        images = {f".{kind}": data for kind, data in style.render(figure).items()}
        return images | ({SLIDE: style.render_slide(figure)} if is_for_slides else {})


@dataclass(frozen=True, eq=False)
class Prose:
    """The paragraphs and tables of a section."""

    section: str
    paragraphs: list[str]
    tables: list[Table]


@dataclass(eq=False)
class Section:
    """What a page has under one heading."""

    paragraphs: list[str] = field(default_factory=list)
    pictures: list[DrawnPicture] = field(default_factory=list)
    tables: list[Table] = field(default_factory=list)

    @property
    def has_content(self) -> bool:
        return bool(self.paragraphs or self.pictures or self.tables)


@dataclass(frozen=True, eq=False)
class Chapter:
    """A study on the page: its name, the start of its ids, and the HTML.

    `slides`: what the images for slides show, with the addresses of PNG and SVG.
    """

    name: str
    anchor: str
    body: str
    slides: list[tuple[str, str, str]] = field(default_factory=list)


WaitForPicture = Callable[[], DrawnPicture]


def begin_drawing(
    items: Iterable[Picture | Prose], pool: WorkerPool
) -> list[WaitForPicture | Prose]:
    """Start to draw the pictures; a call in place of each waits for it."""
    return [_begin(item, pool) if isinstance(item, Picture) else item for item in items]


def _begin(picture: Picture, pool: WorkerPool) -> WaitForPicture:
    task = partial(render, is_for_slides=picture.is_for_slides)
    rendered = pool.begin(task, picture.drawing())
    return lambda: DrawnPicture(picture, rendered())


def gather_sections(
    items: Sequence[WaitForPicture | Prose], on_step: Callable[[], None]
) -> tuple[dict[str, Section], dict[str, bytes]]:
    """The sections by title, in the order of the page, and the files of their items.

    `on_step` is called after each item.
    """
    sections: dict[str, Section] = {}
    files: dict[str, bytes] = {}
    for item in items:
        if isinstance(item, Prose):
            section = sections.setdefault(item.section, Section())
            section.paragraphs += item.paragraphs
            section.tables += item.tables
            for table in item.tables:
                files |= table.files
        else:
            drawn = item()
            sections.setdefault(drawn.picture.section, Section()).pictures.append(drawn)
            files |= drawn.files
        on_step()
    return sections, files


def take_first_picture(
    sections: Mapping[str, Section],
) -> tuple[DrawnPicture | None, dict[str, Section]]:
    """The first picture of the page, and the sections without it; an empty section is left out."""
    for title, section in sections.items():
        if section.pictures:
            first, *others = section.pictures
            rest = {**sections, title: replace(section, pictures=others)}
            return first, {name: own for name, own in rest.items() if own.has_content}
    return None, dict(sections)


def slides_of(sections: Mapping[str, Section], place: str) -> list[tuple[str, str, str]]:
    """The slides of a chapter; `place`: the sub-folder of its figures."""
    start = f"figures/{place}"
    return [
        (
            drawn.picture.name.replace("_", " "),
            f"{start}{drawn.picture.name}{SLIDE}",
            f"{start}{drawn.picture.name}{SVG}",
        )
        for section in sections.values()
        for drawn in section.pictures
        if drawn.picture.is_for_slides
    ]


def render_page(title: str, chapters: Sequence[Chapter], results: Sequence[ClaimResult]) -> bytes:
    """The page: the claims, if there are any, and the studies."""
    is_alone = not any(chapter.anchor for chapter in chapters)
    navigation = [("claims", "Claims")] if results else []
    for chapter in chapters:
        headings = [(name, html.unescape(text)) for name, text in HEADING.findall(chapter.body)]
        navigation += headings if is_alone else [(f"{chapter.anchor}study", chapter.name)]
    text = environment.load("page.html.j2").render(
        title=title,
        navigation=navigation,
        results=results,
        tally=tally(results),
        chapters=chapters,
        slides=[slide for chapter in chapters for slide in chapter.slides],
        slide_width=style.SLIDE_WIDTH,
        explorer=explore.NAME,
        is_alone=is_alone,
    )
    # A per cent sign must not start a line.
    return f"{text}\n".replace(" %", "\N{NO-BREAK SPACE}%").encode()
