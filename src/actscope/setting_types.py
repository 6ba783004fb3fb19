"""Types that settings share, each with its range."""

from typing import Annotated, Literal

from pydantic import AfterValidator, ConfigDict, Field

LONGEST_NAME = 64
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$", max_length=LONGEST_NAME)]
IMPORT_PATH = r"[A-Za-z_]\w*([.:][A-Za-z_]\w*)+"

MLFLOWS_OWN = "Default"  # every store has this experiment, with another folder of artifacts


def _check_study(name: str) -> str:
    if name == MLFLOWS_OWN:
        raise ValueError(f"study={name}: MLflow reserves this name. Choose another one.")
    return name


StudyName = Annotated[Name, AfterValidator(_check_study)]
# Strict: seed=1.5 and lr=true are errors, not 1 and 1.0.
Bool = Annotated[bool, Field(strict=True)]
Int = Annotated[int, Field(strict=True)]
Finite = Annotated[float, Field(strict=True, allow_inf_nan=False)]
Count = Annotated[Int, Field(ge=1)]
Rate = Annotated[Finite, Field(gt=0)]
Seed = Annotated[Int, Field(ge=0, lt=2**63)]
Argument = Bool | Int | Finite | Annotated[str, Field(max_length=64)] | None
OwnArgument = Argument | tuple[Argument, ...]  # of a user's own network or data set

Device = Literal["auto", "cpu", "cuda"]
Init = Literal["he", "lecun", "xavier", "matched"]

CLOSED = ConfigDict(extra="forbid")
