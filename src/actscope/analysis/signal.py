"""How the untrained networks of a tuned study pass a signal, layer by layer."""

from collections.abc import Iterator

import pandas as pd

from actscope.analysis.factors import Factors
from actscope.analysis.judged_study import JudgedStudy
from actscope.analysis.run_tables import MissingTableError, read_run_table
from actscope.analysis.varying import DEPTH
from actscope.engine.recorded import LAYER_STATISTICS
from actscope.tracking import Store

LEAST_LAYERS = 2  # one shows no course
BY_LAYER = ["variant", "activation", "layer"]


def signal_by_layer(store: Store, study: JudgedStudy) -> pd.DataFrame:
    """Statistics of each hidden layer at step 0 in the deepest networks, averaged over seeds.

    Columns: BY_LAYER, `depth`, `n` (seeds) and LAYER_STATISTICS. Empty if no network has
    LEAST_LAYERS layers, or no run has recorded them. The start depends neither on the rate nor on
    the number of epochs, so one run a seed counts.

    Raises:
        UnreadableRunError: a table is invalid.
        StoreError: the store does not answer.

    """
    rows = list(_rows(store, study))
    if not rows:
        return pd.DataFrame(columns=[*BY_LAYER, "depth", "n", *LAYER_STATISTICS])
    groups = pd.concat(rows).groupby([*BY_LAYER, "depth"], sort=False)
    means = groups[list(LAYER_STATISTICS)].mean()
    means.insert(0, "n", groups.size())
    return means.reset_index()


def _rows(store: Store, study: JudgedStudy) -> Iterator[pd.DataFrame]:
    deepest = _deepest(study.evaluations, study.factors)
    for run in deepest.to_dict("records"):
        try:
            layers = read_run_table("layers", store, study.name, run["run_id"])
        except MissingTableError:
            continue  # a run of an older version
        start = layers[(layers["step"] == 0) & (layers["layer"] <= run[DEPTH])]
        about = {"variant": run["variant"], "activation": run["activation"], "depth": run[DEPTH]}
        yield start.assign(**about)


def _deepest(evaluations: pd.DataFrame, factors: Factors) -> pd.DataFrame:
    """One run of each seed of each activation and variant, of the networks with most layers."""
    if DEPTH not in factors.names or evaluations[DEPTH].max() < LEAST_LAYERS:
        return evaluations.head(0)
    own: pd.DataFrame = evaluations[evaluations[DEPTH] == evaluations[DEPTH].max()]
    return own.drop_duplicates(["variant", "activation", "seed"])
