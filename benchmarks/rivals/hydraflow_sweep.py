"""The job of an actscope sweep as a user of Hydra, hydraflow and MLflow would write it.

    python -m benchmarks.rivals.hydraflow_sweep -m seed=0,1 data=/path/digits.npz

One run is trained after another, or several at once with `hydra/launcher=joblib`. Finished points
are not trained again. Where hydraflow is not installed, the script uses Hydra and MLflow alone.
"""

import time
from pathlib import Path
from tempfile import TemporaryDirectory

import hydra
import mlflow
import torch
from hydra.core.config_store import ConfigStore
from hydra.core.hydra_config import HydraConfig
from mlflow.entities import Metric, Param, Run
from omegaconf import DictConfig
from pyarrow import parquet

from benchmarks.rivals.plain_loop import Config, Trained, read, train

try:
    import hydraflow
except ImportError:
    hydraflow = None


def run(active: Run, config: Config) -> None:
    """Train a point and log it to its open MLflow run."""
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    log(active, train(config, read(config.data)))


def log(active: Run, trained: Trained) -> None:
    """Log all metrics in one batch, and the trajectory as a file."""
    now = int(time.time() * 1000)
    metrics = [Metric(name, value, now, epoch) for name, value, epoch in trained.metrics]
    mlflow.MlflowClient().log_batch(active.info.run_id, metrics=metrics)
    with TemporaryDirectory() as folder:
        path = Path(folder) / "trajectory.parquet"
        parquet.write_table(trained.table(), path)
        mlflow.log_artifact(str(path))


def run_without_hydraflow(config: DictConfig) -> None:
    """Do what hydraflow does: leave out a point with a finished run, log parameters, run."""
    mlflow.set_experiment(HydraConfig.get().job.name)
    point = {str(name): str(value) for name, value in config.items()}
    same = [f"params.{name} = '{value}'" for name, value in point.items()]
    finished = " and ".join(["attributes.status = 'FINISHED'", *same])
    if mlflow.search_runs(filter_string=finished, max_results=1, output_format="list"):
        return
    with mlflow.start_run() as active:
        parameters = [Param(name, value) for name, value in point.items()]
        mlflow.MlflowClient().log_batch(active.info.run_id, params=parameters)
        run(active, config)


def main() -> None:
    """Read the command line and train what it names."""
    if hydraflow is None:
        ConfigStore.instance().store("config", Config)
        hydra.main(config_name="config", version_base=None)(run_without_hydraflow)()
    else:
        experiment = mlflow.set_experiment(Path(__file__).stem)
        # hydraflow looks for finished runs in this folder, which MLflow makes at the first run.
        Path(experiment.artifact_location).mkdir(parents=True, exist_ok=True)
        # Comparing overrides instead of whole configurations is faster.
        hydraflow.main(Config, match_overrides=True)(run)()


if __name__ == "__main__":
    main()
