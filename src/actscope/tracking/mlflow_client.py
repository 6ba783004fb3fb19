"""MLflow's client, imported and connected at the first call; its errors are StoreErrors."""

from functools import cached_property
from typing import TYPE_CHECKING, Any

from actscope.tracking.errors import store_errors

if TYPE_CHECKING:
    from mlflow import MlflowClient

    from actscope.tracking.store import Store


def stage(is_deleted: bool) -> int:
    """MLflow's word for what is in its trash, or for what is not."""
    from mlflow.entities import ViewType  # the client needs it too

    return int(ViewType.DELETED_ONLY if is_deleted else ViewType.ACTIVE_ONLY)


class CheckedClient:
    """Does what MlflowClient does, and connects at the first call."""

    def __init__(self, store: "Store") -> None:
        self._store = store

    @cached_property
    def _mlflow(self) -> "MlflowClient":
        return self._store.connect()

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)

        def call(*arguments: Any, **settings: Any) -> Any:
            with store_errors(self._store.location):
                return getattr(self._mlflow, name)(*arguments, **settings)

        return call
