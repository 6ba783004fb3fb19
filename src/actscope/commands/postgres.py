"""A private PostgreSQL cluster: made once in a folder, up as long as it is needed."""

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

DEBIAN = Path("/usr/lib/postgresql")  # which leaves its server's programs off the PATH
ACCOUNT = "postgres"  # runs them where we are root, whom they refuse
ADVICE = "`apt install postgresql`, or name a database that there is with DATABASE_URL"


@contextmanager
def cluster_up(folder: Path) -> Iterator[str]:
    """Have the cluster of a folder run, made if it is new; gives the URI of its database.

    It is reached through a Unix socket only, by the user who runs this, whom the system itself
    vouches for (`peer`): there is no port to attack and no password to lose.

    Raises:
        StoreError: PostgreSQL is not installed, or cannot make or start the cluster.

    """
    programs = find_programs()
    folder.mkdir(parents=True, exist_ok=True)
    _hand_over(folder)
    with TemporaryDirectory(prefix="actscope-pg-") as socket_folder:
        _hand_over(Path(socket_folder))
        _make_if_missing(programs, folder)
        _start(programs, folder, socket_folder)
        try:
            yield f"postgresql:///postgres?host={socket_folder}"
        finally:
            programs.run("pg_ctl", "stop", "--mode=fast", f"--pgdata={folder / 'data'}")


@dataclass(frozen=True)
class Programs:
    """The programs of PostgreSQL's server, which lie in one folder."""

    folder: Path

    def run(self, name: str, *words: str) -> None:
        """Raise StoreError with the program's first line where it fails."""
        account = ACCOUNT if _is_root() else None
        done = subprocess.run(  # noqa: S603 - fixed words
            [self.folder / name, *words],
            user=account,
            group=account,
            extra_groups=[] if account else None,
            cwd="/",  # the account need not be allowed where we stand
            env={**os.environ, "LC_ALL": "C"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            by = f", as the system's user {account}," if account else ""
            raise StoreError(f"PostgreSQL's {name}{by} fails: {_reason(done.stderr)}")


def find_programs() -> Programs:
    """Where PostgreSQL's own `pg_config` says that they are, or else where Debian puts them.

    Raises:
        StoreError: they are not installed.

    """
    for folder in _candidates():
        if (folder / "initdb").exists() and (folder / "pg_ctl").exists():
            break
    else:
        raise StoreError(f"PostgreSQL's server is not installed: {ADVICE}")
    if _is_root():
        try:
            pwd.getpwnam(ACCOUNT)
        except KeyError:
            raise StoreError(
                f"PostgreSQL refuses to run as root, and there is no user {ACCOUNT}: {ADVICE}"
            ) from None
    return Programs(folder)


def _candidates() -> Iterator[Path]:
    if (program := shutil.which("pg_config")) is not None:
        said = subprocess.run([program, "--bindir"], capture_output=True, text=True, check=False)  # noqa: S603 - fixed words
        yield Path(said.stdout.strip())
    yield from sorted(DEBIAN.glob("*/bin"), key=_version, reverse=True)


def _version(folder: Path) -> tuple[int, ...]:
    return tuple(int(part) for part in folder.parent.name.split(".") if part.isdigit())


def _make_if_missing(programs: Programs, folder: Path) -> None:
    """Make it beside its place: what is killed half-way leaves none, not half a one."""
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
    """Start the cluster anew, also one that a killed server has left behind."""
    log = folder / "log"
    options = shlex.join(["-k", socket_folder, "-c", "listen_addresses="])
    try:
        programs.run(
            *("pg_ctl", "restart", "--mode=fast", "--wait"),
            *(f"--pgdata={folder / 'data'}", f"--log={log}", f"--options={options}"),
        )
    except StoreError as error:
        raise StoreError(f"{error}; {log} tells more") from error


def _hand_over(folder: Path) -> None:
    """Make a folder one that PostgreSQL, and nobody else, may write to."""
    folder.chmod(0o700)
    if _is_root():
        shutil.chown(folder, ACCOUNT, ACCOUNT)


def _is_root() -> bool:
    return os.geteuid() == 0


def _reason(told: str) -> str:
    lines = [line for line in told.splitlines() if "Is server running?" not in line]
    errors = [line for line in lines if "error:" in line or "could not" in line]
    return (errors or lines or ["it does not say why"])[0]
