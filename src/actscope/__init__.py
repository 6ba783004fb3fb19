"""Which activation function learns at which learning rate, and how do the others die?"""

from actscope.runtime.import_path import forget_stores

forget_stores()  # before anything else is imported

from importlib import import_module  # noqa: E402
from typing import TYPE_CHECKING, Any  # noqa: E402
from warnings import catch_warnings, filterwarnings  # noqa: E402

if TYPE_CHECKING:
    from actscope.analysis.study import Study, load_study

__all__ = ["Study", "load_study"]


def __getattr__(name: str) -> Any:
    # Imported on first use, as load_study needs MLflow and torch, which take seconds to import.
    if name in __all__:
        with catch_warnings():
            # MLflow imports tqdm, which warns in a notebook without ipywidgets.
            filterwarnings("ignore", message="IProgress not found")
            return getattr(import_module("actscope.analysis.study"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
