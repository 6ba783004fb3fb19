"""The sections of a tuned study's report: their pictures, and the words and tables with them."""

import math
from collections.abc import Iterator
from dataclasses import replace
from functools import partial

import pandas as pd

from actscope.analysis.factors import setting_text, short_name
from actscope.analysis.judged_study import JudgedStudy
from actscope.analysis.searched_study import SearchedStudy
from actscope.analysis.signal import signal_by_layer
from actscope.analysis.stats import INTERVAL
from actscope.analysis.tuned_study import TunedStudy
from actscope.engine.recorded import LAYER_EXAMPLES
from actscope.report.figures import searched, tuned, tuned_rates
from actscope.report.figures import signal as signal_figure
from actscope.report.pages.page import Picture, Prose
from actscope.report.tables import tuned as tables
from actscope.report.text import tuned as text
from actscope.report.text.study import join
from actscope.tracking import Store
from actscope.tuning_settings import LR

SIGNAL = "The signal before the training"
RATE = "The learning rate of each cell"
WORTH = "What tuning was worth"
SEARCH = "The search"


def contents(store: Store, study: JudgedStudy) -> Iterator[Picture | Prose]:
    """The pictures, words and tables of a tuned or searched study, in the order of the page."""
    yield from _judged(study)
    yield from _leads(study)
    yield from _signal(signal_by_layer(store, study))
    if isinstance(study, SearchedStudy):
        yield from _searched(study)
    elif isinstance(study, TunedStudy):
        yield from _rates(study)
        yield from _worth(study)


def _judged(study: JudgedStudy) -> Iterator[Picture | Prose]:
    metric = study.metric
    searched_too = " and settings" if len(study.tuned) > 1 else ""
    section = f"Test {metric.words} with tuned rates{searched_too}"
    judged = study.judged
    over = _over(study)
    if len(judged):
        what = join([short_name(name) if name != LR else "rate" for name in study.tuned])
        yield Picture(
            f"tuned_{metric.name}",
            section,
            f"Test {metric.words}{over} at the {what} that validation chose for each cell: mean of "
            f"the n runs that learned, with its {INTERVAL}. A gap is a cell that is not judged.",
            f"Mean test {metric.words}{over}, one line per activation. The table has the numbers.",
            partial(tuned.draw_judged, judged[judged["rate"] == "chosen"], study.factors, metric),
            is_for_slides=True,
        )
    yield Prose(section, list(text.flags(study)), [tables.judged_table(study)])


def _leads(study: JudgedStudy) -> Iterator[Picture | Prose]:
    if study.leads.empty:
        return
    section, over = f"Leads over {' and '.join(study.bases)}", _over(study)
    metric = study.metric
    if study.leads["mean"].notna().any():
        yield Picture(
            "leads",
            section,
            f"Lead in test {metric.words}{over}, paired by seed: mean of n pairs with its "
            f"{INTERVAL}. It is over {study.rival} with the same settings{_decided(study)}. Panels "
            "titled “enlarged” have a larger scale.",
            f"Mean lead{over}, one line per activation, with a line at zero. The table has the "
            "numbers.",
            partial(tuned.draw_leads, study.leads, study.factors, metric),
            is_for_slides=True,
        )
    own = [tables.slopes_table(study)] if len(study.slopes) else []
    axis = short_name(study.factors.axis or "")
    unit = f", in {metric.difference_unit}" if metric.difference_unit else ""
    said = (
        f"The first table has the change of each lead per doubling of {axis}{unit}. "
        "“Rising” counts the seeds with which it rises."
    )
    yield Prose(section, [said] if own else [], [*own, tables.leads_table(study)])


def _decided(study: JudgedStudy) -> str:
    several = f"; validation {study.metric.words} decides which of these is better"
    return several if len(study.bases) > 1 else ""


def _over(study: JudgedStudy) -> str:
    axis = study.factors.axis
    return "" if axis is None else f" over {short_name(axis)}"


def _signal(signal: pd.DataFrame) -> Iterator[Picture | Prose]:
    if signal.empty:
        return
    variants = list(signal.groupby("variant", sort=False))
    for number, (variant, own) in enumerate(variants, 1):
        depth = int(own["depth"].iloc[0])
        title = f"{variant!s}: untrained" if variant else "Untrained"
        yield Picture(
            f"signal{f'_{number}' if len(variants) > 1 else ''}",
            SIGNAL,
            f"{title} networks of {depth} hidden layers, on {LAYER_EXAMPLES} training examples: "
            "what reaches each layer from the inputs, and what comes back from the loss. A level "
            "line passes the signal on unchanged. Batch normalisation uses the statistics of these "
            "examples.",
            f"Four statistics of each of {depth} hidden layers at step 0, one line per activation. "
            "The table signal.csv has the numbers.",
            partial(signal_figure.draw_signal, own),
        )
    yield Prose(SIGNAL, [], [tables.signal_table(signal)])


def _rates(study: TunedStudy) -> Iterator[Picture | Prose]:
    panels = list(study.trial_runs.groupby(study.factors.panel, sort=False))
    for number, (_, trials) in enumerate(panels, 1):
        title = setting_text(trials.iloc[0], study.factors.panel)
        end = f"_{number}" if len(panels) > 1 else ""
        chosen = study.choices.merge(trials[study.factors.panel].drop_duplicates())
        yield _by_rate(study, f"{study.metric.name}_by_rate{end}", title, trials, chosen)
        if study.factors.axis is not None:
            drawn = _map(study, f"trainability{end}", title, trials, chosen)
            yield replace(drawn, is_for_slides=number == 1)
    yield Prose(RATE, [], [tables.choices_table(study)])


def _by_rate(
    study: TunedStudy, name: str, title: str, trials: pd.DataFrame, chosen: pd.DataFrame
) -> Picture:
    axis, metric = study.factors.axis, study.metric
    lines = "" if axis is None else f", a line per {short_name(axis)}"
    return Picture(
        name,
        RATE,
        f"{title}{': validation' if title else 'Validation'} {metric.words} of the trials over the "
        f"learning rate{lines}: mean of those that learned. A ring marks the chosen rate, a cross "
        "a rate at which a run was lost. Lines that leave a panel go on below it.",
        f"Mean validation {metric.words} over the learning rate, a panel per activation{lines}. "
        "The table of choices has the numbers.",
        partial(tuned_rates.draw_by_rate, title, trials, chosen, study.factors, metric),
    )


def _map(
    study: TunedStudy, name: str, title: str, trials: pd.DataFrame, chosen: pd.DataFrame
) -> Picture:
    axis = short_name(study.factors.axis or "")
    return Picture(
        name,
        RATE,
        f"{title}{': which' if title else 'Which'} rates train at each {axis}. Colour is the mean "
        f"validation {study.metric.words} of the trials that learned. A number counts lost "
        "runs; a grey field lost all. A red frame marks the chosen rate.",
        f"A map of {axis} and learning rate, a panel per activation.",
        partial(tuned_rates.draw_trainability, title, trials, chosen, study.factors, study.metric),
    )


def _worth(study: TunedStudy) -> Iterator[Picture | Prose]:
    metric = study.metric
    lost = "the worst trial" if math.isnan(metric.chance) else "chance"
    yield Picture(
        "budget",
        WORTH,
        f"Expected validation {metric.words} of the best of so many trials with seed "
        f"{study.first_seed}. A lost run counts as {lost}. Where the order of the lines "
        "changes, the activations would rank otherwise with fewer trials.",
        f"Expected best validation {metric.words} over the number of trials, one line per "
        "activation.",
        partial(tuned.draw_budget, study.budget, study.factors, metric),
    )
    said = (
        "The table has the order of the activations if all had to share one rate, as many "
        f"comparisons have it: by the validation {metric.words} of seed {study.first_seed}, at "
        "each rate that all of them tried. It counts the pairs of activations that are in the "
        "same order as with tuned rates."
    )
    yield Prose(WORTH, [said], [tables.shared_table(study)])


def _searched(study: SearchedStudy) -> Iterator[Picture | Prose]:
    metric = study.metric
    goes_on = "falls" if metric.is_smallest_best else "rises"
    yield Prose(SEARCH, [], [tables.best_table(study)])
    yield Picture(
        "best_so_far",
        SEARCH,
        f"The {metric.best_word} mean validation {metric.words} of a finished trial so far, over "
        f"the trials. A line that still {goes_on} at its end asks for more trials.",
        f"Best validation {metric.words} so far over the number of trials, one line per "
        "activation.",
        partial(searched.draw_best, study.trials, study.factors, metric),
        is_for_slides=True,
    )
    cells = list(study.trials.groupby(study.factors.settings, sort=False))
    for number, (_, trials) in enumerate(cells, 1):
        title = setting_text(trials.iloc[0], study.factors.settings)
        chosen = study.choices.merge(trials[study.factors.settings].drop_duplicates())
        end = f"_{number}" if len(cells) > 1 else ""
        for name in study.tuned:
            yield _over_setting(study, name, end, title, trials, chosen)
    yield Prose(SEARCH, [], [tables.trials_table(study)])


def _over_setting(
    study: SearchedStudy,
    name: str,
    end: str,
    title: str,
    trials: pd.DataFrame,
    chosen: pd.DataFrame,
) -> Picture:
    short, values, metric = short_name(name), study.search.space[name], study.metric
    return Picture(
        f"search_{short}{end}",
        SEARCH,
        f"{title}{': validation' if title else 'Validation'} {metric.words} of every trial over "
        f"{short}, as wide as was searched. A finished trial is the mean over its seeds, a pruned "
        "one the first seed alone; a cross is a failed one. The ring marks the best.",
        f"Validation {metric.words} over {short}, a panel per activation, a mark per trial.",
        partial(searched.draw_search, title, trials, chosen, name, values, metric),
    )
