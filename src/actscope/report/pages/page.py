"""What the pages of all reports share: sections with their pictures, chapters, and the page."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from actscope.analysis.claims.claims import ClaimResult, tally
from actscope.report.explorer import explore
from actscope.report.figures.style import SLIDE_WIDTH
from actscope.report.pages.pictures import SLIDE, SVG, DrawnPicture, Picture, render
from actscope.report.process_pool import WorkerPool
from actscope.report.tables.files import Table
from actscope.report.templates import environment


@dataclass(frozen=True, eq=False)
class Prose:
    """The paragraphs and tables of a section."""

    section: str
    paragraphs: list[str]
    tables: list[Table]


@dataclass(eq=False)
class Section:
    """What a page has under one heading, and all files of it."""

    paragraphs: list[str] = field(default_factory=list)
    pictures: list[DrawnPicture] = field(default_factory=list)
    tables: list[Table] = field(default_factory=list)

    @property
    def files(self) -> dict[str, bytes]:
        items: list[DrawnPicture | Table] = [*self.pictures, *self.tables]
        return {name: data for item in items for name, data in item.files.items()}

    @property
    def has_content(self) -> bool:
        return bool(self.paragraphs or self.pictures or self.tables)


@dataclass(frozen=True, eq=False)
class Chapter:
    """A study on the page: its name, the HTML, and the ids and titles of its sections.

    `slides`: what the images for slides show, with the addresses of PNG and SVG.
    """

    name: str
    anchor: str
    body: str
    sections: list[tuple[str, str]]
    slides: list[tuple[str, str, str]] = field(default_factory=list)


WaitForPicture = Callable[[], DrawnPicture]


def begin_drawing(
    items: Iterable[Picture | Prose], pool: WorkerPool
) -> list[WaitForPicture | Prose]:
    """Start to draw the pictures; a call in place of each waits for it."""
    return [_begin(item, pool) if isinstance(item, Picture) else item for item in items]


def _begin(picture: Picture, pool: WorkerPool) -> WaitForPicture:
    rendered = pool.begin(render, picture.task())
    return lambda: DrawnPicture(picture, rendered())


def gather_sections(
    items: Sequence[WaitForPicture | Prose], on_step: Callable[[], None]
) -> dict[str, Section]:
    """The sections by title, in the order of the page; `on_step` is called after each item."""
    sections: dict[str, Section] = {}
    for item in items:
        if isinstance(item, Prose):
            section = sections.setdefault(item.section, Section())
            section.paragraphs += item.paragraphs
            section.tables += item.tables
        else:
            drawn = item()
            sections.setdefault(drawn.picture.section, Section()).pictures.append(drawn)
        on_step()
    return sections


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
        starts = [(f"{chapter.anchor}study", chapter.name)]
        navigation += chapter.sections if is_alone else starts
    text = environment.load("page.html.j2").render(
        title=title,
        navigation=navigation,
        results=results,
        tally=tally(results),
        chapters=chapters,
        slides=[slide for chapter in chapters for slide in chapter.slides],
        slide_width=SLIDE_WIDTH,
        explorer=explore.NAME,
        is_alone=is_alone,
    )
    # A per cent sign must not start a line.
    return f"{text}\n".replace(" %", "\N{NO-BREAK SPACE}%").encode()
