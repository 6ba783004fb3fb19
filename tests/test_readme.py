"""What README says holds."""

import copy
import re
import shlex
import subprocess

import pytest
import yaml
from omegaconf import read_write

from actscope.commands.main import COMMANDS as COMMANDS_OF_ACTSCOPE
from actscope.engine.activations import make_function
from actscope.parsing import parse_point
from actscope.project import ROOT
from actscope.report import cli
from actscope.report.settings import read_settings
from tests.support.fixtures import Compose

README = (ROOT / "README.md").read_text()
COMMANDS = re.findall(r"^make [^\n#]+", README, flags=re.MULTILINE)


WORDS = re.findall(r"`(?:\.venv/bin/)?actscope\s+([a-z][^`]*)`", README)


def test_its_words_of_actscope_are_commands() -> None:
    assert WORDS
    assert {words.split()[0] for words in WORDS} <= COMMANDS_OF_ACTSCOPE.keys()


@pytest.mark.parametrize("words", [words for words in WORDS if words.startswith("report")])
def test_its_reports_are_words_that_a_report_takes(words: str) -> None:
    command, overrides, _ = cli._command_of(shlex.split(words)[1:])
    assert command in cli.COMMAND_WORDS
    read_settings(overrides)


def test_it_stays_under_150_lines() -> None:
    assert len(README.splitlines()) < 150


def test_its_answer_has_the_numbers_of_the_study_of_depth() -> None:
    rows = [
        [cell.strip() for cell in line.split("|")[1:-1]]
        for line in (ROOT / "docs" / "depth.md").read_text().splitlines()
        if re.match(r"\| \d+ \| elu \|", line)
    ]
    leads = {row[0]: float(row[4]) for row in rows}
    words = r"by (\S+) points\swith 8 layers, by (\S+) with 16 and by (\S+) with\s32"
    said = re.search(words, README)
    assert said is not None
    assert list(said.groups()) == [f"{leads[depth]:.2f}" for depth in ("8", "16", "32")]


def test_its_files_are_there() -> None:
    links = re.findall(r"\]\((?!http)([^)#]+)\)", README)
    pictures = re.findall(r'(?:src|srcset)="([^"]+)"', README)
    assert links
    assert pictures
    assert [link for link in [*links, *pictures] if not (ROOT / link).exists()] == []


@pytest.mark.parametrize("command", COMMANDS)
def test_its_commands_are_targets(command: str) -> None:
    words = shlex.split(command)
    subprocess.run([*words, "--dry-run"], cwd=ROOT, check=True, capture_output=True)


@pytest.mark.parametrize(
    "arguments", re.findall(r'make sweep ARGS="([^"]+)"', README), ids=lambda text: text[:40]
)
def test_its_grids_compose(compose: Compose, arguments: str) -> None:
    first_values = [
        re.sub(r"range\(\d+\)", "0", word).split(",")[0]
        for word in arguments.split()
        if "softsign" not in word
    ]
    assert parse_point(compose(*first_values)).lr > 0


def test_its_new_activation_is_one(compose: Compose) -> None:
    (text,) = re.findall(r"```yaml\n(.*?)```", README, flags=re.DOTALL)
    config = copy.deepcopy(compose())
    with read_write(config):
        config.activation = yaml.safe_load(text)
    point = parse_point(config)
    assert make_function(point.activation).__class__.__name__ == "Softsign"


def test_its_help_targets_are_documented() -> None:
    listed = subprocess.run(["make", "help"], cwd=ROOT, check=True, capture_output=True, text=True)
    for target in ("setup", "sweep", "report", "ui", "test", "check", "lint", "format", "clean"):
        assert f"make {target} " in listed.stdout
