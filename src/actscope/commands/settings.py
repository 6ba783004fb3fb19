"""The words of each command and its help. A mistake is found before anything slow is imported."""

import os
from collections.abc import Callable, Sequence
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field
from pydantic.dataclasses import dataclass

from actscope.command_line.settings import OneLineParser, exit_code, run_command
from actscope.config import Tracking
from actscope.errors import ConfigError
from actscope.parsing import parse
from actscope.runtime import startup
from actscope.setting_types import CLOSED, Bool, Count, Int, StudyName

PathName = Annotated[str, Field(min_length=1, max_length=1000)]


@dataclass(frozen=True, config=CLOSED)
class NoSettings:
    """Of a command whose words are no settings."""


@dataclass(frozen=True, config=CLOSED)
class StoreSettings:
    tracking: Tracking


def _command(name: str, function: str = "run") -> Callable[..., int]:
    """A function of the module commands.NAME, which is imported when the function is called."""

    def run(*settings: Any) -> int:
        with startup.without_gc():
            module = import_module(f"actscope.commands.{name}")
        code: int = getattr(module, function)(*settings)
        return code

    return run


def _refuse(name: str, description: str, words: Sequence[str], problem: str) -> int:
    """Raise ConfigError for the words of a command, unless they ask for its help."""

    def refuse(_: NoSettings) -> int:
        raise ConfigError(f"{' '.join([name.split()[0], *words])}: {problem}")

    options = [word for word in words if word in ("-h", "--help")]
    return run_command(name, description, NoSettings, refuse, options)


INIT = """\
Begin a study with a network of your own.

It writes the folder NAME, with a small network to edit, its settings, a grid, a Makefile and a
README. NAME is also the name of the study and of the network's Python package.

example:
  python -m actscope init my_study
"""


def init(words: Sequence[str]) -> int:
    match words:
        case [name] if not name.startswith("-") and "=" not in name:
            return run_command("init NAME", INIT, NoSettings, partial(_command("init"), name), [])
    problem = "needs one name, and nothing else. Give it as in `init my_study`."
    return _refuse("init NAME", INIT, words, problem)


STATUS = """\
Show the state of each point of a study's newest sweep: finished, running, failed, stale or missing.
A stale point was trained with other settings, data or code than today's.

  study=NAME           the study (default: quickstart)
  --json               print the state of each point as JSON
  tracking.uri=URI     the store (default: MLFLOW_TRACKING_URI, or mlruns/mlflow.db of the project)
"""


@dataclass(frozen=True, config=CLOSED)
class StatusSettings(StoreSettings):
    study: StudyName = "quickstart"
    json: Bool = False


status = partial(run_command, "status", STATUS, StatusSettings, _command("status"), flags=["json"])


DIFF = """\
Show where two runs or two studies differ: settings, code, packages and numbers side by side.

examples:
  python -m actscope diff quickstart mine
  python -m actscope diff 0123456789abcdef0123456789abcdef fedcba9876543210fedcba9876543210
  python -m actscope diff quickstart mine --json

  FIRST SECOND         each is the id of a run, or the name of a study
  --json               print the differences as JSON
  tracking.uri=URI     the store (default: MLFLOW_TRACKING_URI, or mlruns/mlflow.db of the project)

Of a study, the newest finished run of each point counts.
"""


@dataclass(frozen=True, config=CLOSED)
class DiffSettings(StoreSettings):
    json: Bool = False


def diff(words: Sequence[str]) -> int:
    names = [word for word in words if "=" not in word and not word.startswith("-")]
    rest = [word for word in words if word not in names]

    def run(settings: DiffSettings) -> int:
        if len(names) != 2:
            raise ConfigError(
                f"{' '.join(['diff', *names])}: needs two names. Give the ids of two runs, or "
                "the names of two studies."
            )
        return _command("diff")(*names, settings)

    return run_command("diff FIRST SECOND", DIFF, DiffSettings, run, rest, flags=["json"])


DOCTOR = """\
Check a store and fix what can be fixed.

It checks the database, open runs whose process has died, deletions and edits in MLflow's UI,
damaged or missing artifacts, artifacts without a run or at another address than the database says,
checkpoints, and queued runs. It prints each problem on a line and asks before it fixes anything.
It deletes only useless checkpoints, and moves nothing that MLflow can restore.
The exit code is 0 if no problem remains, else 1.

  --yes                fix without asking; needed to fix anything when no terminal is connected
  study=NAME           check only this study (default: all) and the queued runs; a deleted study is
                       restored
  tracking.uri=URI     the store (default: MLFLOW_TRACKING_URI, or mlruns/mlflow.db of the project)
"""


@dataclass(frozen=True, config=CLOSED)
class DoctorSettings(StoreSettings):
    study: StudyName | None = None
    yes: Bool = False


doctor = partial(run_command, "doctor", DOCTOR, DoctorSettings, _command("doctor"), flags=["yes"])


VERIFY = """\
Train a finished point of a study again and compare all numbers with its run, bit by bit.
The exit code is 0 if all numbers are identical, else 1.

  study=NAME           the study (default: quickstart)
  run=RUN_ID           the run to compare with (default: a random finished run)
  tracking.uri=URI     the store (default: MLFLOW_TRACKING_URI, or mlruns/mlflow.db of the project)

An activation's class is imported only if it is in torch.nn, or if a file in conf/activation names
it; a network's only if a file in conf/model does. These folders are searched in actscope, in the
current folder, and in ACTSCOPE_CONFIG_DIR.
"""


@dataclass(frozen=True, config=CLOSED)
class VerifySettings(StoreSettings):
    study: StudyName = "quickstart"
    run: Annotated[str, Field(min_length=1, max_length=64)] | None = None


verify = partial(run_command, "verify", VERIFY, VerifySettings, _command("verify"))


SYNC = """\
Deliver runs that wait for their store.

If a store is unreachable or refuses a run, the run waits as files in an offline queue. The queue
is the folder spool/ next to the store's database, or mlruns/spool/ of the project for a server.
This command delivers each run once. A run that the store still refuses stays in the queue, and the
reason is printed. If its study was deleted, `make doctor` restores the study.

examples:
  python -m actscope sync
  python -m actscope sync tracking.uri=http://127.0.0.1:5000

settings:
  tracking.uri=URI     the store (mlruns/mlflow.db of the project, or MLFLOW_TRACKING_URI)
"""

sync = partial(run_command, "sync", SYNC, StoreSettings, _command("sync"))


BUNDLE = """\
Copy a study from one store to another, in one file.

examples:
  python -m actscope bundle export study=quickstart
  python -m actscope bundle export study=article_dying file=/tmp/dying.zip
  python -m actscope bundle import quickstart.actscope.zip tracking.uri=sqlite:////tmp/mlflow.db

commands:
  export               write the finished runs of a study, and their sweeps, into an archive
  import FILE          check an archive, then add those of its runs that the store does not have

settings:
  study=NAME           export: the study (no default)
  file=PATH            export: the archive (NAME.actscope.zip in the current folder)
  tracking.uri=URI     the store (mlruns/mlflow.db of the project, or MLFLOW_TRACKING_URI)

The same runs give the same archive, byte for byte. Imported runs have new ids. The tag
actscope.origin_run holds the id of the original run.
"""


@dataclass(frozen=True, config=CLOSED)
class ExportSettings(StoreSettings):
    study: StudyName | None = None
    file: PathName | None = None


def bundle(words: Sequence[str]) -> int:
    match words:
        case ["export", *rest]:
            export = _command("bundle", "export")
            return run_command("bundle export", BUNDLE, ExportSettings, export, rest)
        case ["import", file, *rest] if not file.startswith("-"):
            import_it = partial(_command("bundle", "import_file"), Path(file))
            return run_command("bundle import FILE", BUNDLE, StoreSettings, import_it, rest)
    problem = (
        "incomplete or unknown command. Give `bundle export study=NAME` or `bundle import FILE`."
    )
    return _refuse("bundle", BUNDLE, words, problem)


SERVER = """\
Run a tracking server for a team: MLflow's server with a PostgreSQL database, users and passwords.

examples:
  python -m actscope server
  python -m actscope server host=0.0.0.0 allowed_hosts=tracking.example.org
  DATABASE_URL=postgresql://mlflow:secret@db.example.org/mlflow python -m actscope server

settings:
  host=ADDRESS                address to listen on (default: 127.0.0.1)
  port=NUMBER                 port to listen on (default: 5001)
  allowed_hosts=NAME,...      host names that clients may use (default: host and localhost)
  folder=PATH                 folder of artifacts, secrets and database (default: mlruns/server)
  permission=READ             rights of users on studies of others: READ, EDIT, MANAGE or
                              NO_PERMISSIONS (default: READ)
  password_cache_seconds=60   time for which a correct password is not checked again (default: 60;
                              0 checks each request)
  workers=NUMBER              server processes (default: one a core)

environment variables:
  DATABASE_URL                a PostgreSQL database (default: a private one in the folder)
  MLFLOW_AUTH_ADMIN_PASSWORD  password of the user admin, who is created at the first start
                              (default: a random one, stored in the folder)

For permanent use see docs/server.md.
"""


@dataclass(frozen=True, config=CLOSED)
class ServerSettings:
    host: Annotated[str, Field(min_length=1, max_length=255)] = "127.0.0.1"
    port: Annotated[Int, Field(ge=1, le=65535)] = 5001
    allowed_hosts: PathName | None = None
    folder: PathName = "mlruns/server"
    permission: Literal["READ", "EDIT", "MANAGE", "NO_PERMISSIONS"] = "READ"
    password_cache_seconds: Annotated[Int, Field(ge=0, le=3600)] = 60
    workers: Count = os.cpu_count() or 1

    @property
    def address(self) -> str:
        return f"http://{self.host}:{self.port}"


server = partial(run_command, "server", SERVER, ServerSettings, _command("server"))


UI = (
    "Show the runs in MLflow's UI, and the reports. "
    "The store is MLFLOW_TRACKING_URI, or mlruns/mlflow.db."
)


def ui(words: Sequence[str]) -> int:
    def serve() -> int:
        parser = OneLineParser(prog="actscope ui", description=UI)
        parser.add_argument("--port", type=int, default=5000, help="on 127.0.0.1 (default: 5000)")
        parser.add_argument("--reports", default="reports", help="their folder (default: reports)")
        given = parser.parse_args(words)
        tracking = parse(Tracking, {"uri": os.environ.get("MLFLOW_TRACKING_URI")}, "tracking")
        return _command("ui")(tracking, given.port, given.reports)

    return exit_code(serve)
