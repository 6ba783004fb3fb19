"""Messages for wrong settings: `setting=value: problem.`"""

from collections.abc import Mapping
from dataclasses import fields
from typing import Any, get_type_hints

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from actscope.credentials import scrub

# Messages by the type of pydantic's error, whose context fills the braces.
PROBLEMS = {
    "bool_type": "must be true or false",
    "dataclass_type": "must have settings by name",
    "dict_type": "must have settings by name",
    "finite_number": "must be a finite number",
    "float_type": "must be a number",
    "greater_than": "must be more than {gt}",
    "greater_than_equal": "must be at least {ge}",
    "int_from_float": "must be a whole number",
    "int_type": "must be a whole number",
    "less_than": "must be less than {lt}",
    "less_than_equal": "must be at most {le}",
    "literal_error": "must be {expected}",
    "missing": "is missing",
    "string_pattern_mismatch": (
        "must begin with a letter or digit, and have only letters, digits, '_', '.' and '-'"
    ),
    "string_too_long": "must have at most {max_length} characters",
    "string_too_short": "must have at least {min_length} character{s}",
    "string_type": "must be a text",
    "too_long": "must have at most {max_length} values",
    "too_short": "must have at least {min_length} value{s}",
    "tuple_type": "must be a list like [64]",
}

OUT_OF_RANGE = {"finite_number", "string_too_long"}  # the value's type is one that is allowed


def first_problem(error: ValidationError, kind: Any, settings: Any, name: str) -> str:
    """The message for the first wrong setting."""
    errors = error.errors(include_url=False)
    first = errors[0]
    if first["type"] == "value_error":
        return first["msg"].removeprefix("Value error, ")
    if first["type"] == "unexpected_keyword_argument":
        *group, _ = first["loc"]
        for part in group:
            kind = get_type_hints(kind)[str(part)]
        # `arguments` are given by their own names.
        allowed = ", ".join(each.name for each in fields(kind) if each.name != "arguments")
        return f"{_place(first, settings, name)}: unknown setting. Choose one of {allowed}."
    place = _place(first, settings, name)
    # A setting that allows several types has one error for each.
    own = [each for each in errors if _place(each, settings, name) == place]
    out_of_range = [each for each in own if each["type"] in OUT_OF_RANGE]
    problems = [_problem(each) for each in out_of_range or own]
    given = "" if first["type"] == "missing" else f"={shorten(scrub(ascii(first['input'])))}"
    return f"{place}{given}: {' or '.join(dict.fromkeys(problems)).replace('or must be', 'or')}."


def _place(error: ErrorDetails, settings: Any, name: str) -> str:
    """Name of the setting as on the command line: `model.hidden[0]`.

    The rest of pydantic's location names the types that it has tried.
    """
    place = name
    for part in error["loc"]:
        if isinstance(settings, Mapping) and (part in settings or error["type"] == "missing"):
            place, settings = f"{place}.{part}".removeprefix("."), settings.get(part)
        elif isinstance(settings, list | tuple) and isinstance(part, int):
            place, settings = f"{place}[{part}]", settings[part]
        else:
            break
    return shorten(ascii(place)[1:-1])


def _problem(error: ErrorDetails) -> str:
    limits = {
        key: f"{value:g}" if isinstance(value, float) else value
        for key, value in error.get("ctx", {}).items()
    }
    limits["s"] = "" if limits.get("min_length") == 1 else "s"
    problem = PROBLEMS.get(error["type"])
    return problem.format(**limits) if problem else error["msg"]


def shorten(text: str, length: int = 60) -> str:
    return text if len(text) <= length else f"{text[: length - 3]}..."
