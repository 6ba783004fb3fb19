import pandas as pd

from actscope.analysis.ranking import find_lead
from actscope.analysis.stats import summarise
from actscope.report.text.study import answer, join


def runs(**finals: list[float]) -> pd.DataFrame:
    """Runs at rate 0.1, seeds from 0; under 0.5 is failed."""
    rows = [
        {"variant": "", "activation": name, "lr": 0.1, "seed": seed, "final": final}
        | {"run_id": f"{name}{seed}"}
        for name, values in finals.items()
        for seed, final in enumerate(values)
    ]
    frame = pd.DataFrame(rows)
    return frame.assign(outcome=["learned" if x >= 0.5 else "failed" for x in frame["final"]])


def said(used: pd.DataFrame) -> str:
    cells = summarise(used)
    (sentences,) = answer({"": "test"}, cells, {"": find_lead(used, cells)})
    return " ".join(sentences)


def test_the_best_is_named_with_its_lead_and_what_chance_allows() -> None:
    text = said(runs(relu=[0.75, 0.77], elu=[0.74, 0.76]))
    assert text.startswith(
        "relu at lr = 0.1 has the highest mean of 2 cells, on the test set itself: 76.00 %"
    )
    assert "1.00 points above the next activation, elu" in text
    assert text.endswith("Every run learned.")


def test_a_lead_within_chance_is_called_open() -> None:
    # Differences +2 and -1 points.
    assert "either may be better" in said(runs(relu=[0.75, 0.76], elu=[0.73, 0.77]))


def test_one_seed_gives_no_interval() -> None:
    text = said(runs(relu=[0.8], elu=[0.7]))
    assert "one run, so no interval" in text
    assert "One shared seed gives no interval" in text
    assert "nan" not in text


def test_a_cell_in_which_a_seed_failed_is_not_the_best() -> None:
    text = said(runs(relu=[0.99, 0.1], elu=[0.52, 0.53]))
    assert text.startswith("elu at lr = 0.1 has the only mean, on the test set itself")
    passed_over = "relu at 0.1 (mean 99.00 % of the 1 of 2 runs that learned)"
    assert f"Not counted, as not every run learned: {passed_over}." in text
    assert "Failed to learn: relu at 0.1 (1 of 2)." in text
    assert "Only elu learned with every seed at every rate." in text


def test_a_lead_that_is_the_same_with_each_seed_has_no_interval() -> None:
    text = said(runs(relu=[0.75, 0.75], elu=[0.5, 0.5]))
    assert "75.00 % (all 2 runs are equal, so no interval)" in text
    assert "It is the same with each of the 2 seeds, so there is no interval." in text


def test_where_nothing_learns_it_is_said() -> None:
    assert said(runs(relu=[0.1])).startswith("No activation learned with every seed at any rate")


def test_words_are_joined_as_one_writes_them() -> None:
    assert join(["a"]) == "a"
    assert join(["a", "b", "c"]) == "a, b and c"
