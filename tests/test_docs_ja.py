"""The Japanese page has the claims, verdicts and numbers of the English pages."""

import re

from actscope.project import ROOT

DOCS = ROOT / "docs"
JAPANESE = (DOCS / "ja" / "index.md").read_text()
ARTICLE = (DOCS / "article.md").read_text()
DEPTH = (DOCS / "depth.md").read_text()
WORDS = {  # a longer one before one that it contains
    "not reproduced": "再現せず",
    "reproduced": "再現",
    "inconclusive": "結論なし",
    "cannot be decided with 20 seeds; 32 would": "20 シードでは決定できず、32 必要",
    "not run": "未実行",
    "calibrated": "較正済み",
    "seeds": "シード",
}


def numbers(text: str) -> set[str]:
    """The numbers of a text, without the sign: `to` and a dash may look like one."""
    return set(re.findall(r"\d+(?:\.\d+)?", text))


def claims(page: str) -> dict[str, tuple[str, str]]:
    """Verdict and the whole row of each claim of a page, by its name."""
    rows = re.findall(r"^\| ([A-Z]\d): (.+?) \| (.+?) \| (.+) \|$", page, flags=re.MULTILINE)
    return {name: (verdict, f"{text} {verdict} {more}") for name, text, verdict, more in rows}


def leads(page: str) -> dict[tuple[str, str], list[str]]:
    """Difference and the ends of its interval, by depth and activation."""
    found = {}
    for line in page.splitlines():
        if row := re.match(r"\| (\d+) \| (\w+) \| (.+)", line):
            signed = re.findall(r"[+-]\d+\.\d+", row[3])
            found[row[1], row[2]] = signed[:3]
    return found


def test_it_has_every_claim_with_its_verdict() -> None:
    english, japanese = claims(ARTICLE), claims(JAPANESE)
    assert len(japanese) >= 11
    assert list(japanese) == list(english)
    for name, (verdict, _) in english.items():
        for word, translated in WORDS.items():
            verdict = verdict.replace(word, translated)
        assert (name, japanese[name][0]) == (name, verdict)


def test_the_numbers_of_a_claim_are_those_of_the_english_page() -> None:
    english = claims(ARTICLE)
    for name, (_, row) in claims(JAPANESE).items():
        # A name of a claim or of an activation has no number.
        assert numbers(row)
        assert (name, numbers(row) - numbers(english[name][1])) == (name, set())


def test_the_leads_by_depth_are_those_of_the_english_page() -> None:
    english, japanese = leads(DEPTH), leads(JAPANESE)
    assert len(japanese) >= 9
    assert japanese == {key: english[key] for key in japanese}


def test_every_other_number_stands_on_an_english_page() -> None:
    readme = (ROOT / "README.md").read_text()
    prose = re.sub(r"```.*?```", "", JAPANESE, flags=re.DOTALL)
    prose = re.sub(r"^\|.*$", "", prose, flags=re.MULTILINE)
    assert len(numbers(prose)) >= 10
    assert numbers(prose) - numbers(f"{ARTICLE}{DEPTH}{readme}") == set()


def test_its_pictures_and_pages_are_there() -> None:
    found = re.findall(r'\]\(([^)#]+)\)|(?:src|srcset)="([^"]+)"', JAPANESE)
    assert found
    assert all((DOCS / "ja" / (link or picture)).exists() for link, picture in found)
