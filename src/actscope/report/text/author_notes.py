"""The author's own words on a study: `conf/notes/STUDY.md`, as HTML."""

from markdown_it import MarkdownIt

from actscope.errors import ReportError, first_line
from actscope.runtime.own_folder import conf_folders

LARGEST = 2**18  # bytes
LOWEST_HEADING = 6


def author_notes(study: str, level: int) -> str:
    """The notes on a study in conf/notes, the project's or the user's own; '' without a file.

    A title of the first level becomes a heading of `level`. HTML in the notes is shown as text, and
    pictures are left out, as a report is one file that loads nothing.

    Raises:
        ReportError: the file cannot be read, or is larger than LARGEST.

    """
    paths = [folder / "notes" / f"{study}.md" for folder in conf_folders()]
    path = next((path for path in paths if path.is_file()), None)
    if path is None:
        return ""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ReportError(f"{path}: cannot be read ({first_line(error)}). Correct it.") from None
    if len(text) > LARGEST:
        raise ReportError(f"{path}: has more than {LARGEST} characters. Shorten it.")
    return to_html(text, level)


def to_html(text: str, level: int) -> str:
    r"""CommonMark with tables as HTML that is safe in a page.

    markdown-it escapes all text, and it makes no link to a script.

    Example:
        >>> to_html("# *Why* <b>", level=4)
        '<h4><em>Why</em> &lt;b&gt;</h4>\n'

    """
    parser = MarkdownIt("commonmark", {"html": False}).enable("table").disable("image")
    tokens = parser.parse(text)
    for token in tokens:
        if token.type.startswith("heading_"):
            token.tag = f"h{min(int(token.tag[1:]) + level - 1, LOWEST_HEADING)}"
    return str(parser.renderer.render(tokens, parser.options, {}))
