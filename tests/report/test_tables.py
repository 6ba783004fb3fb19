"""Tables as the files of people: Markdown and LaTeX."""

import pandas as pd

from actscope.analysis.claims.claims import Claim, ClaimResult
from actscope.analysis.claims.verdicts import Finding, Verdict
from actscope.report.tables.claims import claim_files
from actscope.report.tables.files import DASH, Table
from actscope.report.templates.environment import columns_of_numbers


def latex(readable: pd.DataFrame) -> str:
    table = Table("made", "a caption", pd.DataFrame(), readable)
    return table.files["tables/made.tex"].decode()


def test_a_table_is_a_tabular_with_booktabs_rules() -> None:
    readable = pd.DataFrame({"lr": ["0.01", "0.1"], "n": [3, 4], "mean": ["97.50", None]})
    assert latex(readable) == (
        "\\begin{tabular}{lll}\n"
        "\\toprule\n"
        "lr & n & mean \\\\\n"
        "\\midrule\n"
        "0.01 & 3 & 97.50 \\\\\n"
        "0.1 & 4 &  \\\\\n"
        "\\bottomrule\n"
        "\\end{tabular}\n"
    )


def test_what_latex_would_read_as_a_command_is_text() -> None:
    readable = pd.DataFrame({"share_of, %": ["p < 0.001 & {x} | $5 #1 \\input ~ ^", "a\n\n  b"]})
    _, _, heading, _, first, second, *_ = latex(readable).splitlines()
    assert heading == r"share\_of, \% \\"
    assert first == (
        r"p \textless{} 0.001 \& \{x\} \textbar{} \$5 \#1 \textbackslash input "
        r"\textasciitilde \space \textasciicircum  \\"
    )
    assert second == r"a b \\"


def test_rows_that_were_cut_out_of_other_tables_may_share_an_index() -> None:
    row = pd.DataFrame({"lr": ["0.01"]})
    assert latex(pd.concat([row, row])).count(r"0.01 \\") == 2


def test_a_table_without_rows_has_its_heading() -> None:
    assert r"lr \\" in latex(pd.DataFrame({"lr": pd.Series(dtype="str")}))


def test_a_verdict_is_told_in_words_where_its_sign_could_not_be_set() -> None:
    stated = Claim("D1", "units die", "section 3", "a rule", (), "s")
    finding = Finding("1 of 2", Verdict.REPRODUCED)
    result = ClaimResult(stated, Verdict.REPRODUCED, (finding,), ("r1",), None, "")
    files = claim_files([result])
    assert "| ✓ reproduced |" in files["tables/claims.md"].decode()
    assert "✓ 1 of 2" in files["tables/claims.md"].decode()
    assert "section 3 & reproduced & 1 of 2" in files["tables/claims.tex"].decode()


def test_columns_whose_decimal_points_can_stand_below_each_other_are_numbers() -> None:
    readable = pd.DataFrame(
        {
            "activation": ["relu", "elu"],
            "lr": ["0.01", "0.001"],  # other numbers of decimals
            "learned": ["4 of 5", "5 of 5"],
            "mean, %": ["9.50", "97.25"],
            "interval": ["none: one run", "-1.20 to +12.30"],
            "share": ["9.5 (0.1 to 14.9)", DASH],
            "p": ["0.040", "< 0.001"],
            "n": [1, 10],
            "unknown": ["", DASH],
        }
    )
    assert columns_of_numbers(readable) == {"mean, %", "interval", "share", "p", "n"}
