"""Types of the settings that checks share."""

from typing import Annotated

from pydantic import Field
from pydantic.dataclasses import dataclass as checked

from actscope.analysis.axis import RATE
from actscope.analysis.varying import LEARNING_RATE, Texts, is_number, value_of
from actscope.setting_types import CLOSED, Argument, Finite, Name

Share = Annotated[Finite, Field(ge=0, le=1)]
Margin = Annotated[Finite, Field(ge=0)]
Names = Annotated[tuple[Name, ...], Field(min_length=1)]


@checked(frozen=True, config=CLOSED)
class Place:
    """The value of a setting that names the cells of a check, besides the activation."""

    setting: str
    value: Argument

    @property
    def text(self) -> str:
        """`lr = 0.001`, or `model.width = 64`."""
        is_rate = self.setting == LEARNING_RATE
        return RATE.equals(self.value) if is_rate else f"{self.setting} = {self.value}"

    def is_of(self, run: Texts) -> bool:
        """Whether a run's setting has the value; numbers are compared as numbers."""
        own, wanted = value_of(run, self.setting), str(self.value)
        if is_number(own) and is_number(wanted):
            return float(own) == float(wanted)
        return own == wanted
