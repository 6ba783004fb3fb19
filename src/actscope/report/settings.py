"""The settings of a report, from conf/report.yaml and the command line."""

import reprlib
from collections.abc import Sequence
from typing import Annotated

from hydra import compose, initialize_config_dir
from pydantic import BeforeValidator, Field
from pydantic.dataclasses import dataclass

from actscope.analysis.varying import LEARNING_RATE
from actscope.command_line import hydra_errors
from actscope.command_line.hydra_credentials import hide_credentials
from actscope.command_line.words import check_words
from actscope.config import Tracking
from actscope.parsing import parse, plain
from actscope.project import CONF
from actscope.setting_types import CLOSED, Bool, Count, Int, Name, Rate, StudyName

AXES_ADVICE = "Give activation and another setting, as [activation,model.width]."


def _two_different(setting: str, advice: str) -> BeforeValidator:
    """Checks that a setting has two different values, or none."""

    def check(given: object) -> object:
        match given:
            case None:
                return given
            case [first, second] if first != second:
                return given
        raise ValueError(f"{setting}={reprlib.repr(given)}: {advice}")

    return BeforeValidator(check)


TWO_STUDIES = _two_different("report.compare", "give two different studies, as [quickstart,mine]")
TWO_RATES = _two_different("film.rates", "give two different rates, as [0.001,0.01].")


def _check_axes(axes: object) -> object:
    given = f"report.axes={reprlib.repr(axes)}"
    match axes:
        case ["activation", str(setting)] if setting not in ("activation", "seed"):
            return axes
        case [first, _] if first != "activation":
            raise ValueError(f"{given}: the first must be activation. {AXES_ADVICE}")
        case [_, "seed"]:
            raise ValueError(f"{given}: seed is no axis, as means are over seeds. {AXES_ADVICE}")
        case [_, _]:
            raise ValueError(f"{given}: the second must be a setting that varies. {AXES_ADVICE}")
    raise ValueError(f"{given}: must be two settings. {AXES_ADVICE}")


@dataclass(frozen=True, config=CLOSED)
class Film:
    """The settings under `film`.

    `activation`, `rates`: of the two runs; None: chosen by analysis.contrast. `layer`: the hidden
    layer whose units are shown.
    """

    activation: Name | None = None
    rates: Annotated[tuple[Rate, ...] | None, TWO_RATES] = None
    layer: Count = 1


@dataclass(frozen=True, config=CLOSED)
class Report:
    """The settings under `report`.

    `seed`: the one whose trajectories are drawn. `attach`: whether the pages are also copied to the
    store. `processes`: how many build the report. `compare`: two studies to compare, instead of a
    report on one. `axes`: the activation, and the setting that tables and figures have besides it.
    """

    seed: Annotated[Int, Field(ge=0)] | None = None
    folder: Annotated[str, Field(min_length=1, max_length=1000)] = "reports"
    attach: Bool = True
    processes: Annotated[Int, Field(ge=1)] | None = None
    compare: Annotated[tuple[StudyName, ...] | None, TWO_STUDIES] = None
    axes: Annotated[tuple[str, str], BeforeValidator(_check_axes)] = ("activation", LEARNING_RATE)

    @property
    def axis(self) -> str:
        """The setting that is the second axis."""
        return self.axes[1]


@dataclass(frozen=True, config=CLOSED)
class Settings:
    study: StudyName
    report: Report
    film: Film
    tracking: Tracking


def read_settings(overrides: Sequence[str]) -> Settings:
    """Compose conf/report.yaml with the overrides and check it, or raise ConfigError."""
    overrides = hide_credentials(overrides)
    check_words(overrides)
    try:
        with initialize_config_dir(str(CONF), job_name="actscope-report", version_base="1.3"):
            config = compose("report", overrides=list(overrides))
    except Exception as error:  # Hydra fails in many ways on words and files that it does not check
        raise hydra_errors.explain(error, overrides, "report") from error
    return parse(Settings, plain(config))
