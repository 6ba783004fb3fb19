"""What a report is asked for, from conf/report.yaml and the command line."""

import reprlib
from collections.abc import Sequence
from typing import Annotated

from hydra import compose, initialize_config_dir
from hydra.errors import HydraException, OverrideParseException
from omegaconf.errors import OmegaConfBaseException
from pydantic import BeforeValidator, Field
from pydantic.dataclasses import dataclass

from actscope.config import CLOSED, Bool, Int, StudyName, Tracking, check_words, parse, plain
from actscope.errors import ConfigError
from actscope.project import CONF


def _check_two(names: object) -> object:
    match names:
        case None:
            return names
        case [first, second] if first != second:
            return names
    raise ValueError(
        f"report.compare={reprlib.repr(names)}: give two different studies, as [quickstart,mine]"
    )


@dataclass(frozen=True, config=CLOSED)
class Report:
    """Whose trajectories are drawn; where the report goes; who makes it.

    `attach`: whether its pages also go to the store. `processes`: among which the work is shared.
    `compare`: two studies that it puts side by side, in place of the report of one.
    """

    seed: Annotated[Int, Field(ge=0)] | None = None
    folder: Annotated[str, Field(min_length=1, max_length=1000)] = "reports"
    attach: Bool = True
    processes: Annotated[Int, Field(ge=1)] | None = None
    compare: Annotated[tuple[StudyName, ...] | None, BeforeValidator(_check_two)] = None


@dataclass(frozen=True, config=CLOSED)
class Settings:
    study: StudyName
    report: Report
    tracking: Tracking


def read_settings(overrides: Sequence[str]) -> Settings:
    """Compose conf/report.yaml with the overrides and check it, or raise ConfigError."""
    check_words(overrides)
    try:
        with initialize_config_dir(str(CONF), job_name="actscope-report", version_base="1.3"):
            config = compose("report", overrides=list(overrides))
    except OverrideParseException as error:
        raise ConfigError(f"{error.override}: {_in_a_line(error)}") from error
    except (HydraException, OmegaConfBaseException) as error:
        raise ConfigError(_in_a_line(error)) from error
    return parse(Settings, plain(config))


def _in_a_line(error: Exception) -> str:
    """What Hydra says, without its advice to add settings that are then refused as unknown."""
    lines = [line.strip() for line in str(error).splitlines()]
    noise = (
        "To append to your config",
        "full_key:",
        "object_type=",
        "See https:",
        "Set the environment variable",
    )
    text = " ".join(line for line in lines if line and not line.startswith(noise))
    is_unknown = text.startswith("Could not override")
    return f"{text} There is no such setting in conf/report.yaml" if is_unknown else text
