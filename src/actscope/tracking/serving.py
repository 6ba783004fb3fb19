"""MLflow's UI on a store of this machine, served by this process."""

import os
import warnings

import uvicorn

from actscope.tracking.store import Store


def serve(store: Store, host: str, port: int) -> None:
    """Serve until a signal ends it.

    As `mlflow server` does, but that starts one process more, and each imports MLflow anew.
    """
    assert store.folder is not None
    warnings.simplefilter("ignore")  # what MLflow's libraries tell its developers
    # Not before it is needed. By uvicorn, loaded by now, it sees that it serves and takes care.
    from mlflow.server.constants import (
        ARTIFACT_ROOT_ENV_VAR,
        BACKEND_STORE_URI_ENV_VAR,
        SERVE_ARTIFACTS_ENV_VAR,
    )

    os.environ[BACKEND_STORE_URI_ENV_VAR] = store.uri
    os.environ[ARTIFACT_ROOT_ENV_VAR] = (store.folder / "artifacts").as_uri()
    os.environ[SERVE_ARTIFACTS_ENV_VAR] = "true"
    uvicorn.run("mlflow.server.fastapi_app:app", host=host, port=port, log_level="warning")
