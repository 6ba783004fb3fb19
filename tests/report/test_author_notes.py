"""The author's own words in a report."""

from pathlib import Path

import pytest

from actscope.errors import ReportError
from actscope.report.text.author_notes import LARGEST, author_notes, to_html


def test_markdown_becomes_html_below_the_pages_headings():
    text = "# Why\n\nSeLU *fails*.\n\n| lr | n |\n|---|---|\n| 0.1 | 5 |\n"
    html = to_html(text, level=3)
    assert "<h3>Why</h3>" in html
    assert "<p>SeLU <em>fails</em>.</p>" in html
    assert "<td>0.1</td>" in html
    assert "<h6>deep</h6>" in to_html("##### deep", level=3)


@pytest.mark.parametrize(
    "text",
    [
        "<script>alert(1)</script>",
        "a <img src=x onerror=alert(1)>",
        "[click](javascript:alert(1))",
        "[click](data:text/html;base64,PHNjcmlwdD4=)",
        "![picture](https://example.org/tracks.png)",
    ],
)
def test_nothing_in_notes_is_run_or_loaded(text):
    html = to_html(text, level=3)
    assert "<script" not in html
    assert "<img" not in html
    assert 'href="javascript:' not in html
    assert 'href="data:' not in html


@pytest.fixture
def notes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of the notes in a user's own conf/."""
    monkeypatch.setenv("ACTSCOPE_CONFIG_DIR", str(tmp_path))
    (tmp_path / "notes").mkdir()
    return tmp_path / "notes"


def test_notes_belong_to_the_study_of_their_name(notes: Path):
    (notes / "mine.md").write_text("Mine.")
    assert author_notes("mine", 3) == "<p>Mine.</p>\n"
    assert author_notes("other", 3) == ""


@pytest.mark.parametrize(
    ("content", "problem"),
    [(b"\xff\xfe", "cannot be read"), (b"x" * (LARGEST + 1), "has more than")],
)
def test_notes_that_cannot_be_read_are_named(notes: Path, content, problem):
    (notes / "mine.md").write_bytes(content)
    with pytest.raises(ReportError, match=problem) as error:
        author_notes("mine", 3)
    assert str(notes / "mine.md") in str(error.value)
