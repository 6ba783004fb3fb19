import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from actscope.analysis.claims.checks import CHECKS
from actscope.analysis.claims.claims import (
    Claim,
    ClaimResult,
    Evidence,
    judge,
    read_claims,
    studies_of,
    tally,
)
from actscope.analysis.claims.power import Power
from actscope.analysis.claims.slope_check import shipped_activation, slope_jump
from actscope.analysis.claims.verdicts import CheckResult, Finding, Verdict, combine
from actscope.analysis.stats import T
from actscope.errors import ConfigError
from actscope.project import CONF
from actscope.report.cli import main
from actscope.report.pages.page import render_page
from tests.support.judging import claim, records, rows_of, run_row, verdict_on
from tests.support.studies import ELU, RELU, Lab, point, without_rendering

DEPTH = [*(f"L{number}" for number in range(1, 9)), "H1", "H2", "I1", "I2"]
REPRODUCED, NOT_REPRODUCED, INCONCLUSIVE, TOO_FEW, NOT_RUN = Verdict
LEADS = (0.981, 0.982, 0.981, 0.982, 0.981)  # mean 98.14 %, sd 0.055
LAGS = (0.979, 0.979, 0.980, 0.979, 0.979)  # mean 97.92 %, sd 0.045


BEST = {"check": "best", "activation": "leaky_relu", "others": ["relu"], "gap": 0.1}


# --- the claims that are shipped ----------------------------------------------------------------


def test_every_shipped_claim_can_be_read_and_its_study_can_be_run() -> None:
    claims = read_claims()
    ids = [claim.id for claim in claims]
    assert ids == ["F1", "A1", "A2", "A3", "A4", "A5", "D1", "D2", "D3", "D4", "D5", *DEPTH]
    for name in studies_of(claims):
        assert (CONF / "experiment" / f"{name}.yaml").is_file()
    assert all(claim.seen for claim in claims if claim.study)


def test_selus_edge_needs_no_runs_and_what_has_not_been_run_says_how_to() -> None:
    first, *others = judge(read_claims(), Evidence({}, records()))
    assert first.verdict is REPRODUCED
    assert {result.verdict for result in others} == {NOT_RUN}
    assert others[0].advice == 'make sweep ARGS="experiment=article_accuracy"'
    assert tally([first, *others]) == "23 claims: 1 reproduced, 22 not run"


def test_the_slope_of_selu_jumps_by_scale_times_alpha_less_scale() -> None:
    alpha, scale = 1.6732632423543772, 1.0507009873554805
    assert slope_jump(shipped_activation("selu")) == pytest.approx(scale * alpha - scale, abs=1e-5)
    assert slope_jump(shipped_activation("elu")) == pytest.approx(0, abs=1e-5)
    assert slope_jump(shipped_activation("leaky_relu")) == pytest.approx(0.99, abs=1e-5)


# --- verdicts come from the runs ----------------------------------------------------------------


def test_swapping_the_runs_of_two_activations_flips_the_verdict() -> None:
    assert verdict_on(claim(BEST), rows_of(leaky_relu=LEADS, relu=LAGS)).verdict is REPRODUCED
    assert verdict_on(claim(BEST), rows_of(leaky_relu=LAGS, relu=LEADS)).verdict is NOT_REPRODUCED


def test_a_lead_that_chance_could_make_says_how_many_seeds_would_decide_it() -> None:
    # Differences 0.1, -0.1, 0.1, -0.1, 0.1 points: mean 0.02, sd 0.1095. A true lead of 0.1 points
    # is 0.91 of that sd; by noncentral t, 5 pairs find it in 0.35 of all cases, 12 in 0.82.
    rows = rows_of(leaky_relu=(0.981, 0.98, 0.981, 0.98, 0.981), relu=(0.98, 0.981) * 2 + (0.98,))
    result = verdict_on(claim(BEST), rows)
    assert result.in_words == "? cannot be decided with 5 seeds; 12 would"
    assert result.numbers == [
        f"? leaky_relu - relu: +0.020 points (95 % {T} -0.116 to +0.156, n = 5); power 0.35"
    ]


def test_enough_seeds_that_still_contain_the_limit_are_inconclusive() -> None:
    # Twelve times as many: 0.013 ± 0.026 points, and a true lead of 0.1 would have been found.
    leads = rows_of(leaky_relu=(0.981, 0.98) * 30, relu=(0.98, 0.981) * 29 + (0.98, 0.98))
    result = verdict_on(claim(BEST), leads)
    assert (result.verdict, result.power_in_words, result.advice) == (INCONCLUSIVE, "1.00", "")


def test_one_seed_decides_nothing() -> None:
    for check in (
        BEST,
        {"check": "mean_near", "activations": ["relu"], "target": 97.9, "margin": 0.1},
        {"check": "learns", "activations": ["relu"]},
    ):
        result = verdict_on(claim(check), rows_of(leaky_relu=LEADS[:1], relu=LAGS[:1]))
        assert result.in_words.startswith("? cannot be decided with 1 seed")
        assert "nan" not in " ".join(result.numbers)


def test_four_seeds_decide_nothing_however_clear_they_look() -> None:
    result = verdict_on(claim(BEST), rows_of(leaky_relu=LEADS[:4], relu=[0.9] * 4))
    assert result.in_words == "? cannot be decided with 4 seeds; 5 would"


def test_differences_that_are_all_equal_have_no_interval() -> None:
    result = verdict_on(claim(BEST), rows_of(leaky_relu=[0.99] * 6, relu=[0.9] * 6))
    assert result.verdict is INCONCLUSIVE
    assert "+9.000 points (n = 6, all equal, so no interval)" in result.numbers[0]


def test_the_runs_behind_a_verdict_are_those_compared() -> None:
    rows = rows_of(leaky_relu=LEADS, relu=LAGS, elu=LAGS)
    expected = {f"{name}-{seed}" for name in ("leaky_relu", "relu") for seed in range(5)}
    assert set(verdict_on(claim(BEST), rows).run_ids) == expected


def test_a_missing_cell_is_not_run_and_named() -> None:
    result = verdict_on(claim(BEST), rows_of(leaky_relu=LEADS))
    assert result.verdict is NOT_RUN
    assert result.numbers == ["no finished run of relu at lr = 0.001"]


def test_activations_without_a_seed_in_common_are_not_compared() -> None:
    rows = [*rows_of(leaky_relu=LEADS), *(run_row("relu", seed + 5, 0.9) for seed in range(5))]
    assert verdict_on(claim(BEST), rows).verdict is NOT_RUN


def test_runs_that_did_not_learn_are_told_of_and_enter_no_mean() -> None:
    check = {"check": "mean_near", "activations": ["relu"], "target": 97.9, "margin": 0.1}
    others = [
        run_row("relu", 5, 0.1, outcome="failed"),
        run_row("relu", 6, 0.5, outcome="diverged"),
    ]
    result = verdict_on(claim(check), [*rows_of(relu=LAGS), *others])
    assert result.verdict is REPRODUCED
    assert "97.92 %" in result.numbers[0]
    assert "n = 5), as 2 of 7 runs of relu did not learn" in result.numbers[0]


def test_a_difference_is_of_the_seeds_in_which_both_learned() -> None:
    # 0.4 and 0.6 points in eight seeds each; four more runs of SeLU are at chance level.
    check = {"check": "greater", "first": "selu", "second": "relu", "gap": 0.5}
    failed = [run_row("selu", seed, 0.1, outcome="failed") for seed in range(16, 20)]
    rows = [*rows_of(selu=(0.974, 0.976) * 8, relu=[0.97] * 20), *failed]
    result = verdict_on(claim(check), rows)
    assert result.verdict is REPRODUCED
    assert result.numbers[0].startswith("✓ selu - relu: +0.500 points")
    assert "n = 16), as 4 of 20 runs of selu did not learn" in result.numbers[0]


def test_the_seeds_needed_count_those_that_do_not_learn() -> None:
    # As above, a power of 0.8 needs 12 values: 24 seeds, if every second run learns.
    leads = rows_of(leaky_relu=(0.981, 0.98, 0.981, 0.98, 0.981), relu=(0.98, 0.981) * 5)
    failed = [run_row("leaky_relu", seed, 0.1, outcome="failed") for seed in range(5, 10)]
    result = verdict_on(claim(BEST), [*leads, *failed])
    assert result.in_words == "? cannot be decided with 10 seeds; 24 would"


@pytest.mark.parametrize("outcome", ["failed", "diverged"])
def test_where_no_run_of_a_side_learned_a_check_is_inconclusive(outcome: str) -> None:
    rows = [
        *rows_of(relu=[0.97, 0.98] * 10),
        *(run_row("selu", seed, 0.1, outcome=outcome) for seed in range(20)),
    ]
    for check, found in (
        (
            {"check": "difference_near", "first": "selu", "second": "relu", "margin": 0.1},
            "selu - relu",
        ),
        ({"check": "mean_near", "activations": ["selu"], "target": 98, "margin": 0.1}, "selu"),
        (
            {"check": "no_advantage", "activations": ["selu"], "over": ["relu"], "by": 0.1},
            "selu - relu",
        ),
    ):
        result = verdict_on(claim(check), rows)
        assert result.in_words == "? inconclusive"
        told = f"? {found}: no value, as 20 of 20 runs of selu did not learn"
        assert result.numbers[0].startswith(told)


def test_runs_that_differ_in_another_setting_are_never_mixed() -> None:
    wide = [
        {**row, "run_id": f"wide-{row['run_id']}", "params.model.hidden": "[128]"}
        for row in rows_of(leaky_relu=LAGS, relu=LEADS)
    ]
    rows = [*rows_of(leaky_relu=LEADS, relu=LAGS), *wide]
    mixed = verdict_on(claim(BEST), rows)
    assert mixed.verdict is INCONCLUSIVE
    assert mixed.numbers[0].startswith("its runs differ in model.hidden=[128] or model.hidden=[64]")
    assert verdict_on(claim(BEST, where={"model.hidden": "[64]"}), rows).verdict is REPRODUCED
    assert verdict_on(claim(BEST, where={"model.hidden": "[128]"}), rows).verdict is NOT_REPRODUCED
    nowhere = verdict_on(claim(BEST, where={"model.hidden": "[8]"}), rows)
    assert nowhere.verdict is NOT_RUN
    assert nowhere.numbers == ["no finished run of s with model.hidden=[8]"]


# --- each kind of check -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("target", "margin", "verdict"),
    [
        # 97.92 ± 2.776 * 0.0447 / sqrt(5) is 97.864 to 97.976.
        (97.9, 0.1, REPRODUCED),
        (98.1, 0.1, NOT_REPRODUCED),
        (97.9, 0.05, TOO_FEW),
    ],
)
def test_a_mean_is_near_if_its_interval_is(target: float, margin: float, verdict: Verdict) -> None:
    check = {"check": "mean_near", "activations": ["relu"], "target": target, "margin": margin}
    assert verdict_on(claim(check), rows_of(relu=LAGS)).verdict is verdict


def test_a_mean_of_two_activations_is_taken_seed_by_seed() -> None:
    check = {"check": "mean_near", "activations": ["relu", "elu"], "target": 95, "margin": 0.1}
    # Means 95.00, 95.01, ...: the activations differ by 2 points, and their means hardly.
    result = verdict_on(claim(check), rows_of(relu=[0.94, 0.9602] * 3, elu=[0.96, 0.94] * 3))
    assert result.verdict is REPRODUCED
    assert f"95.00 % (95 % {T} 95.00 to 95.01, n = 6)" in result.numbers[0]


@pytest.mark.parametrize(
    ("gap", "margin", "verdict"),
    [
        # LEADS - LAGS: 0.2, 0.3, 0.1, 0.3, 0.2 points: 0.22 ± 2.776 * 0.0837 / sqrt(5) = 0.104.
        (0.2, 0.15, REPRODUCED),
        (0.0, 0.1, NOT_REPRODUCED),
        (0.0, 0.3, INCONCLUSIVE),
        (0.0, 0.14, TOO_FEW),
    ],
)
def test_a_difference_is_near_if_its_interval_is(
    gap: float, margin: float, verdict: Verdict
) -> None:
    check = {"check": "difference_near", "first": "elu", "second": "relu"}
    found = verdict_on(
        claim({**check, "gap": gap, "margin": margin}), rows_of(elu=LEADS, relu=LAGS)
    )
    assert found.verdict is verdict


@pytest.mark.parametrize(
    ("by", "verdict"), [(0.1, REPRODUCED), (0.2, INCONCLUSIVE), (0.4, NOT_REPRODUCED)]
)
def test_greater_by_an_amount(by: float, verdict: Verdict) -> None:
    check = {"check": "greater", "first": "elu", "second": "relu", "by": by, "gap": 0.5}
    assert verdict_on(claim(check), rows_of(elu=LEADS, relu=LAGS)).verdict is verdict


def test_a_power_of_a_claim_that_lies_on_its_own_limit_is_never_enough() -> None:
    check = {"check": "greater", "first": "elu", "second": "relu", "by": 0.2, "gap": 0.2}
    result = verdict_on(claim(check), rows_of(elu=LEADS, relu=LAGS))
    assert result.in_words == "? cannot be decided with 5 seeds"


@pytest.mark.parametrize(
    ("finals", "verdict"),
    [
        ({"relu": LAGS, "leaky_relu": [*LEADS[:4], 0.9812]}, REPRODUCED),  # the better of the two
        ({"relu": LAGS, "leaky_relu": [0.97] * 5}, NOT_REPRODUCED),
        # A lead of 0.098 ± 0.006 points over ReLU.
        ({"relu": (0.98, 0.981, 0.98, 0.981, 0.9801), "leaky_relu": [0.97] * 5}, INCONCLUSIVE),
        ({"leaky_relu": (0.97, 0.99, 0.97, 0.99, 0.98)}, TOO_FEW),
    ],
)
def test_an_advantage_must_be_over_all(
    finals: Mapping[str, Sequence[float]], verdict: Verdict
) -> None:
    check = {"activations": ["selu"], "over": list(finals), "by": 0.1}
    rows = rows_of(selu=LEADS, **finals)
    assert verdict_on(claim({"check": "no_advantage", **check}), rows).verdict is verdict


# --- compound claims ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("parts", "whole"),
    [
        ([REPRODUCED, REPRODUCED], REPRODUCED),
        ([REPRODUCED, NOT_REPRODUCED, NOT_RUN], NOT_REPRODUCED),
        ([REPRODUCED, NOT_RUN, TOO_FEW], NOT_RUN),
        ([REPRODUCED, INCONCLUSIVE, TOO_FEW], TOO_FEW),
        ([REPRODUCED, INCONCLUSIVE], INCONCLUSIVE),
    ],
)
def test_a_claim_holds_where_all_its_checks_do(parts: list[Verdict], whole: Verdict) -> None:
    assert combine([CheckResult(verdict, (Finding("n"),)) for verdict in parts]).verdict is whole


def test_the_numbers_and_runs_of_all_checks_are_kept() -> None:
    a, b, c = (Finding(name) for name in "abc")
    found = combine(
        [CheckResult(INCONCLUSIVE, (a,), ("1", "2")), CheckResult(INCONCLUSIVE, (b, c), ("2", "3"))]
    )
    assert found == CheckResult(INCONCLUSIVE, (a, b, c), ("1", "2", "3"))


def test_checks_that_suffice_alone_may_not_suffice_together() -> None:
    # Each is reproduced with chance 0.85, so both with at least 0.7.
    part = CheckResult(INCONCLUSIVE, (Finding("n"),), (), Power(5, lambda _: 0.85))
    whole = combine([part, part])
    assert whole.power is not None
    assert (whole.verdict, round(whole.power.chance, 6)) == (TOO_FEW, 0.7)


def test_a_check_of_unknown_power_leaves_that_of_all_unknown() -> None:
    weak = CheckResult(REPRODUCED, (Finding("n"),), (), Power(5, lambda _: 0.5))
    whole = combine([weak, CheckResult(INCONCLUSIVE, (Finding("no value"),))])
    assert (whole.verdict, whole.power) == (INCONCLUSIVE, None)


# --- a file of claims ---------------------------------------------------------------------------

ENTRY = """\
- id: X1
  text: A claim.
  source: somewhere
  rule: a rule
  study: s
  checks: [{check: learns, activations: [relu], lr: 0.1}]
"""


def read(text: str, folder: Path) -> list[Claim]:
    (folder / "own.yaml").write_text(text)
    return read_claims(folder)


def test_adding_a_claim_is_adding_an_entry(tmp_path: Path) -> None:
    (found,) = read(ENTRY, tmp_path)
    assert (found.id, found.study, len(found.checks)) == ("X1", "s", 1)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("check: learns", "check: shines", ", ".join(sorted(CHECKS))),
        ("check: learns, ", "", "no kind of check"),
        ("lr: 0.1", "lr: 0.1, shine: 1", "shine: unknown setting"),
        ("lr: 0.1", "lr: fast", "lr='fast': must be a number"),
        ("rule: a rule", "rule: a rule\n  verdict: yes", "verdict: unknown setting"),
        ("  rule: a rule\n", "", "rule: is missing"),
        ("- id", "id", "Give a list of claims"),
        ("checks: [", "checks: ", "own.yaml, line 6, column 56: expected <block end>"),
    ],
)
def test_a_mistake_in_a_claim_says_what_would_be_right(
    tmp_path: Path, old: str, new: str, message: str
) -> None:
    text = ENTRY.replace(old, new)
    if not text.startswith("-"):
        text = text.replace("\n  ", "\n")
    with pytest.raises(ConfigError, match=re.escape(message)):
        read(text, tmp_path)


def test_two_claims_of_one_id_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="two claims have the id X1"):
        read(ENTRY + ENTRY, tmp_path)


# --- on the screen and on the page --------------------------------------------------------------


def test_the_command_prints_every_claim_where_there_is_no_store(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["claims", f"tracking.uri=sqlite:///{tmp_path}/none.db"]) == 0
    output = capsys.readouterr().out
    for word in ("F1", "D5", "✓ reproduced", "experiment=article_dying", "22 not run"):
        assert word in output
    assert list(tmp_path.iterdir()) == []


def test_the_page_shows_the_verdict_in_words_and_escapes_markup() -> None:
    stated = Claim("<b>", "<i>text</i>", "<source>", "<rule>", (), "s", {}, "<width>", "<seen>")
    result = ClaimResult(stated, REPRODUCED, (Finding("1 < 2"),), ("<id>",), None, "", "<5>")
    text = render_page("<title>", [], [result]).decode()
    assert "✓ reproduced" in text
    assert "1 claim: 1 reproduced" in text
    assert "<b>Calibrated.</b> &lt;width&gt;" in text
    assert "<b>Seen before.</b> &lt;seen&gt;" in text
    for mark in ("<i>text", "<source>", "<rule>", "<id>", "1 < 2", "<title>", "<5>"):
        assert mark not in text.replace("<title>&lt;title&gt;", "")
    assert "&lt;i&gt;text" in text


@pytest.fixture(scope="module")
def article_lab(tmp_path_factory: pytest.TempPathFactory) -> Lab:
    """A store with two of the article's studies."""
    lab = Lab(tmp_path_factory.mktemp("article"))
    lab.run("article_accuracy", [point("article_accuracy", RELU, 0.001, 0, 1)])
    lab.run("article_dying", [point("article_dying", ELU, 0.01, 0, 1)])
    return lab


@pytest.fixture(scope="module")
def article(article_lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the article's report."""
    folder = tmp_path_factory.mktemp("reports")
    overrides = [f"tracking.uri={article_lab.store.uri}", f"report.folder={folder}"]
    with without_rendering():
        assert main(["article", *overrides]) == 0
    return folder / "article"


def test_the_article_has_one_page_with_the_claims_and_each_study(article: Path) -> None:
    text = (article / "index.html").read_text()
    places = [text.index(f'id="{name}"') for name in ("claims", "article_accuracy-study")]
    assert places == sorted(places)
    assert text.index('id="article_dying-study"') > places[-1]
    assert 'id="edge-study"' not in text
    ids = Counter(re.findall(r'\bid="([^"]+)"', text))
    assert {name for name, count in ids.items() if count > 1} == set()
    for address in re.findall(r'href="(?!http://127)([^"]+)"', text):  # but MLflow's UI
        path, _, place = address.partition("#")
        assert (article / path).is_file() if path else place in ids


def test_the_article_keeps_the_files_of_each_study_apart(article: Path) -> None:
    for study_name in ("article_accuracy", "article_dying"):
        assert (article / "tables" / study_name / "summary.csv").is_file()
        assert (article / "figures" / study_name / "final_accuracy.svg").is_file()
    manifest = json.loads((article / "manifest.json").read_text())
    assert [each["study"] for each in manifest["studies"]] == ["article_accuracy", "article_dying"]
    assert {each["id"] for each in manifest["claims"]} == {c.id for c in read_claims()}


def test_the_article_is_attached_to_no_sweep(article: Path, article_lab: Lab) -> None:
    assert article_lab.store.folder is not None
    assert not list(article_lab.store.folder.glob("artifacts/article_accuracy/*/*/report"))


@pytest.mark.usefixtures("unrendered")
def test_a_study_that_claims_are_about_has_only_those_on_its_page(
    article_lab: Lab, tmp_path: Path
) -> None:
    overrides = [f"tracking.uri={article_lab.store.uri}", f"report.folder={tmp_path}"]
    assert main(["study=article_dying", *overrides]) == 0
    text = (tmp_path / "article_dying" / "index.html").read_text()
    assert "<b>D1</b>" in text
    assert "<b>A1</b>" not in text
    assert text.index('id="claims"') < text.index('id="glance"')
