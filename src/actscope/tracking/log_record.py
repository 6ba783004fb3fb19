"""Log a run's record to a store, in the order that makes what is FINISHED complete."""

from pathlib import Path

from actscope.tracking.heartbeat import signs_of_life
from actscope.tracking.run_record import ARTIFACTS_TAG, RunRecord, artifacts_tag
from actscope.tracking.store import Store


def fill_run(store: Store, run_id: str, record: RunRecord, folder: Path, address: str) -> None:
    """Log what is known after the training: artifacts first, the status last.

    `folder`: of the artifacts. `address`: where the store wants them.
    """
    store.log_artifacts(address, folder)
    store.rows.end_run(run_id, record, last_tags(record))


def last_tags(record: RunRecord) -> dict[str, str]:
    """All tags but the signs of life: those of the run may be newer."""
    life = signs_of_life().keys()
    tags = {key: value for key, value in record.tags.items() if key not in life}
    if record.artifacts:
        tags[ARTIFACTS_TAG] = artifacts_tag(record.artifacts)
    return tags
