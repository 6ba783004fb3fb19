"""What the pages of all reports share: sections with their pictures, chapters, and the page."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from actscope.analysis.claims.claims import ClaimResult, tally
from actscope.report.explorer import explore
from actscope.report.pages.pictures import DrawnPicture, Picture, render
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


@dataclass(frozen=True, eq=False)
class Chapter:
    """A study on the page: its name, the HTML, and the ids and titles of its sections."""

    name: str
    anchor: str
    body: str
    sections: list[tuple[str, str]]


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


def render_page(
    title: str,
    chapters: Sequence[Chapter],
    results: Sequence[ClaimResult],
    explorer: str = explore.NAME,
) -> bytes:
    """The page: the claims, if there are any, and the studies.

    `explorer`: the address of the explorer, or '' if there is none.
    """
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
        explorer=explorer,
        is_alone=is_alone,
    )
    # A per cent sign must not start a line.
    return f"{text}\n".replace(" %", "\N{NO-BREAK SPACE}%").encode()
