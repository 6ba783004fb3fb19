"""A private PostgreSQL cluster: created once in a folder, running while it is needed."""

import os
import pwd
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from actscope.errors import StoreError

DEBIAN = Path("/usr/lib/postgresql")  # Debian does not put the server's programs on the PATH
ACCOUNT = "postgres"  # runs the programs for root, as they refuse to run as root
ADVICE = "Run `apt install postgresql`, or set DATABASE_URL to an existing database."


@contextmanager
def cluster_up(folder: Path) -> Iterator[str]:
    """Run the cluster of a folder, created if it is missing; yield the URI of its database.

    Only the user who runs this can connect, through a Unix socket; the system checks the user
    (`peer`). So there is no open port and no password.

    Raises:
        StoreError: PostgreSQL is not installed, or cannot create or start the cluster.

    """
    programs = find_programs()
    folder.mkdir(parents=True, exist_ok=True)
    _give_to_postgres(folder)
    with TemporaryDirectory(prefix="actscope-pg-") as socket_folder:
        _give_to_postgres(Path(socket_folder))
        _create_if_missing(programs, folder)
        _start(programs, folder, socket_folder)
        try:
            yield f"postgresql:///postgres?host={socket_folder}"
        finally:
            programs.run("pg_ctl", "stop", "--mode=fast", f"--pgdata={folder / 'data'}")


@dataclass(frozen=True)
class Programs:
    """The folder of the programs of PostgreSQL's server."""

    folder: Path

    def run(self, name: str, *words: str) -> None:
        """Run a program; raise StoreError with the first line of its error if it fails."""
        account = ACCOUNT if _is_root() else None
        done = subprocess.run(  # noqa: S603 - fixed words
            [self.folder / name, *words],
            user=account,
            group=account,
            extra_groups=[] if account else None,
            cwd="/",  # the account may not be allowed in the current folder
            env={**os.environ, "LC_ALL": "C"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            by = f", as the system's user {account}," if account else ""
            raise StoreError(f"PostgreSQL's {name}{by} failed: {_reason(done.stderr)}")


def find_programs() -> Programs:
    """Find PostgreSQL's programs by its `pg_config`, or in Debian's folder.

    Raises:
        StoreError: PostgreSQL's server is not installed.

    """
    for folder in _candidates():
        if (folder / "initdb").exists() and (folder / "pg_ctl").exists():
            break
    else:
        raise StoreError(f"PostgreSQL's server is not installed. {ADVICE}")
    if _is_root():
        try:
            pwd.getpwnam(ACCOUNT)
        except KeyError:
            raise StoreError(
                f"PostgreSQL refuses to run as root, and there is no user {ACCOUNT}. {ADVICE}"
            ) from None
    return Programs(folder)


def _candidates() -> Iterator[Path]:
    if (program := shutil.which("pg_config")) is not None:
        shown = subprocess.run([program, "--bindir"], capture_output=True, text=True, check=False)  # noqa: S603 - fixed words
        yield Path(shown.stdout.strip())
    yield from sorted(DEBIAN.glob("*/bin"), key=_version, reverse=True)


def _version(folder: Path) -> tuple[int, ...]:
    return tuple(int(part) for part in folder.parent.name.split(".") if part.isdigit())


def _create_if_missing(programs: Programs, folder: Path) -> None:
    """Create the cluster under another name, then rename it: a killed start leaves none."""
    if (folder / "data").exists():
        return
    new = folder / "new"
    if new.exists():
        shutil.rmtree(new)
    programs.run(
        "initdb",
        f"--pgdata={new}",
        f"--username={pwd.getpwuid(os.geteuid()).pw_name}",
        "--auth-local=peer",
        "--auth-host=reject",
        "--encoding=UTF8",
        "--no-locale",
    )
    new.rename(folder / "data")


def _start(programs: Programs, folder: Path, socket_folder: str) -> None:
    """Start the cluster, or restart one that a killed server has left running."""
    log = folder / "log"
    options = shlex.join(["-k", socket_folder, "-c", "listen_addresses="])
    try:
        programs.run(
            *("pg_ctl", "restart", "--mode=fast", "--wait"),
            *(f"--pgdata={folder / 'data'}", f"--log={log}", f"--options={options}"),
        )
    except StoreError as error:
        raise StoreError(f"{error}. See {log}.") from error


def _give_to_postgres(folder: Path) -> None:
    """Let PostgreSQL, and no other user, write to a folder."""
    folder.chmod(0o700)
    if _is_root():
        shutil.chown(folder, ACCOUNT, ACCOUNT)


def _is_root() -> bool:
    return os.geteuid() == 0


def _reason(output: str) -> str:
    lines = [line for line in output.splitlines() if "Is server running?" not in line]
    errors = [line for line in lines if "error:" in line or "could not" in line]
    return (errors or lines or ["it gives no reason"])[0]
