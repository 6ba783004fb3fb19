"""A tracking server for a team, MLflow's own over PostgreSQL: `python -m actscope server`."""

import os
import secrets
import shlex
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from configparser import ConfigParser
from contextlib import contextmanager
from importlib.util import find_spec
from io import StringIO
from pathlib import Path

from filelock import FileLock, Timeout
from sqlalchemy import URL, create_engine, make_url
from sqlalchemy.exc import ArgumentError, OperationalError
from sqlalchemy.pool import NullPool

from actscope.command_line import suggestions
from actscope.commands.postgres import cluster_up
from actscope.commands.settings import ServerSettings
from actscope.commands.ui import SERVER_SETTINGS, check_port
from actscope.credentials import hide, scrub
from actscope.errors import ConfigError, StoreError, first_line
from actscope.project import ROOT
from actscope.runtime import signals

ADMIN = "admin"
SECONDS_TO_END = 20.0
PRIVATE = 0o600  # mode of a file that holds a secret
DRIVER = "postgresql+psycopg2"
EXTRA = {"flask_wtf": "mlflow[auth]", "psycopg2": "psycopg2-binary"}


def run(settings: ServerSettings) -> int:
    """Run the server until Ctrl-C, SIGTERM or SIGHUP.

    Raises:
        StoreError: a package is missing, the port or folder is in use, or the database or server
            cannot be started.

    """
    signals.raise_interrupts()
    _check_installed()
    check_port(settings.host, settings.port, f"port={settings.port + 1}")
    folder = ROOT / settings.folder
    with _only_server(folder), _database(folder) as database:
        environment = _environment(settings, folder, database)
        _print_how_to_use(settings, folder, database)
        code = _run_until_interrupted(_command(settings, folder), environment)
    if code != 0:
        raise StoreError(
            f"MLflow's server ended with exit code {code}. The lines above give the reason."
        )
    return 0


def _check_installed() -> None:
    if missing := [package for module, package in EXTRA.items() if find_spec(module) is None]:
        raise StoreError(
            f"The server needs {', '.join(missing)}. Run `{suggestions.install('server')}`."
        )


@contextmanager
def _only_server(folder: Path) -> Iterator[None]:
    """Create a folder if it is missing, and lock it for this server."""
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(folder / ".lock", timeout=0):
            yield
    except Timeout:
        raise StoreError(
            f"folder={folder}: another server uses it. Stop that server or give another folder."
        ) from None


@contextmanager
def _database(folder: Path) -> Iterator[URL]:
    """The database of DATABASE_URL, or the folder's own, which runs until the block exits."""
    given = os.environ.get("DATABASE_URL")
    if given is not None:
        yield _checked(given)
    else:
        with cluster_up(folder / "postgres") as uri:
            yield make_url(uri)


def _checked(uri: str) -> URL:
    """Check that a URI is a PostgreSQL database and answers; MLflow would retry for minutes.

    Raises:
        ConfigError: it is not the URI of a PostgreSQL database.
        StoreError: the database does not answer, or refuses the user.

    """
    try:
        database = make_url(uri)
        if database.get_backend_name() not in ("postgresql", "postgres"):
            raise ArgumentError
        create_engine(_for_mlflow(database), poolclass=NullPool).connect().close()
    except ArgumentError:
        raise ConfigError(
            "DATABASE_URL: is not a PostgreSQL database. Give one like postgresql://host/database."
        ) from None
    except OperationalError as error:
        raise StoreError(
            f"DATABASE_URL: cannot connect to database {hide(uri)}: {scrub(first_line(error), uri)}"
        ) from error
    return database


def _for_mlflow(database: URL) -> str:
    # SQLAlchemy's default driver may not be installed.
    return database.set(drivername=DRIVER).render_as_string(hide_password=False)


def _command(settings: ServerSettings, folder: Path) -> list[str]:
    """The command of MLflow's server, without secrets: other users can read it with ps."""
    return [
        *(sys.executable, "-m", "mlflow", "server", "--app-name", "basic-auth"),
        *("--serve-artifacts", "--artifacts-destination", str(folder / "artifacts")),
        *("--host", settings.host, "--port", str(settings.port)),
        *("--allowed-hosts", _allowed_hosts(settings), "--workers", str(settings.workers)),
    ]


def _allowed_hosts(settings: ServerSettings) -> str:
    names = dict.fromkeys([settings.host, "127.0.0.1", "localhost"])
    return settings.allowed_hosts or ",".join(f"{name}:{settings.port}" for name in names)


def _environment(settings: ServerSettings, folder: Path, database: URL) -> Mapping[str, str]:
    """Environment variables of MLflow's server, and the file that they name."""
    uri = _for_mlflow(database)
    rules = ConfigParser(interpolation=None)
    rules["mlflow"] = {
        "default_permission": settings.permission,
        "database_uri": uri.replace("%", "%%"),  # MLflow reads the file with interpolation
        "admin_username": ADMIN,
        "auth_cache_ttl_seconds": str(settings.password_cache_seconds),
    }
    text = StringIO()
    rules.write(text)
    _tighten(folder / "basic_auth.ini")
    _write_private(folder / "basic_auth.ini", text.getvalue())
    return {
        **os.environ,
        **SERVER_SETTINGS,
        "MLFLOW_BACKEND_STORE_URI": uri,
        "MLFLOW_AUTH_CONFIG_PATH": str(folder / "basic_auth.ini"),
        "MLFLOW_AUTH_ADMIN_PASSWORD": _given_password() or _secret(_password_file(folder)),
        # Kept over restarts, so that forms that are open in a browser stay valid.
        "MLFLOW_FLASK_SERVER_SECRET_KEY": _secret(folder / "secret_key"),
    }


def _given_password() -> str | None:
    return os.environ.get("MLFLOW_AUTH_ADMIN_PASSWORD")


def _password_file(folder: Path) -> Path:
    return folder / "admin_password"


def _secret(path: Path) -> str:
    """A random text, created once in a file that only its owner can read."""
    if path.exists():
        _tighten(path)
    else:
        _write_private(path, f"{secrets.token_urlsafe(24)}\n")
    return path.read_text().strip()


def _write_private(path: Path, text: str) -> None:
    """Write a file that at no time anyone but its owner can read."""
    new = path.with_name(f".{path.name}.new")
    new.unlink(missing_ok=True)  # left by a killed server, with unknown rights
    with open(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, PRIVATE), "w") as file:  # noqa: PTH123 - Path.open takes no descriptor
        file.write(text)
    new.replace(path)


def _tighten(path: Path) -> None:
    """Let only its owner read a file, if it exists; print a line if others could read it before."""
    if path.exists() and (mode := stat.S_IMODE(path.stat().st_mode)) & ~PRIVATE:
        path.chmod(PRIVATE)
        sys.stderr.write(
            f"{path}: others could read this secret (mode {mode:o}). Its mode is 600 now.\n"
        )


def _print_how_to_use(settings: ServerSettings, folder: Path, database: URL) -> None:
    if _given_password() is None:
        password, place = (
            f'"$(cat {shlex.quote(str(_password_file(folder)))})"',
            f"in {_password_file(folder)}",
        )
    else:
        password, place = "...", "from MLFLOW_AUTH_ADMIN_PASSWORD at the first start"
    sys.stdout.write(
        f"tracking server  {settings.address}   (stop with Ctrl-C)\n"
        f"  database       {hide(_for_mlflow(database))}\n"
        f"  artifacts      {folder / 'artifacts'}\n"
        f"  administrator  {ADMIN}; password {place}\n"
        "to use it:\n"
        f"  export MLFLOW_TRACKING_URI={settings.address} MLFLOW_TRACKING_USERNAME={ADMIN}\n"
        f"  export MLFLOW_TRACKING_PASSWORD={password}\n"
        f"  {suggestions.command('sweep', 'tracking=server')}\n"
    )
    sys.stdout.flush()


def _run_until_interrupted(command: Sequence[str], environment: Mapping[str, str]) -> int:
    """Run a program; return its exit code, or 0 if an interrupt of this process ends it."""
    # In a process group of its own, so that Ctrl-C reaches this process only.
    with subprocess.Popen(command, env=environment, process_group=0) as process:  # noqa: S603 - ours
        try:
            return process.wait()
        except KeyboardInterrupt:
            process.terminate()
            return 0
        finally:
            try:
                process.wait(SECONDS_TO_END)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
