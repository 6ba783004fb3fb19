"""How long MLflow waits for a server."""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager

# For the first call to a server. The environment decides how long later calls may take.
BRIEFLY = {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1", "MLFLOW_HTTP_REQUEST_TIMEOUT": "8"}
_environment = threading.RLock()  # os.environ is shared by all threads


@contextmanager
def briefly() -> Iterator[None]:
    """Let MLflow give up on a server soon: by default it asks an unreachable one for minutes."""
    with _environment:
        before = {name: os.environ.get(name) for name in BRIEFLY}
        os.environ.update(BRIEFLY)
        try:
            yield
        finally:
            for name, value in before.items():
                del os.environ[name]
                if value is not None:
                    os.environ[name] = value
