"""Types of the settings that checks share."""

from typing import Annotated

from pydantic import Field

from actscope.setting_types import Finite, Name

Share = Annotated[Finite, Field(ge=0, le=1)]
Margin = Annotated[Finite, Field(ge=0)]
Names = Annotated[tuple[Name, ...], Field(min_length=1)]
