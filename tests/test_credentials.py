"""What of a URI with a password is shown, quoted and written: never the password."""

import json
import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
from omegaconf import OmegaConf
from sqlalchemy.exc import ArgumentError

from actscope import tracking
from actscope.analysis.study import load_study
from actscope.command_line.hydra_credentials import HideCredentials, hide_credentials
from actscope.command_line.words import check_words
from actscope.commands import server, train
from actscope.commands.settings import ServerSettings
from actscope.config import Tracking
from actscope.credentials import find, find_flaw, hide, scrub
from actscope.errors import ConfigError, StoreError, first_line
from actscope.parsing import parse
from actscope.report.settings import read_settings
from actscope.tracking import ServerStore, store_errors
from actscope.tracking.location import ServerLocation
from hydra_plugins.actscope_launcher.launcher import Job
from tests.e2e.conftest import Run, actscope, store_uri

__all__ = ["actscope", "store_uri"]  # fixtures

SECRET = "hunter2"  # noqa: S105 - what the tests look for
# How a password gets into a URI, and the URI as it may be shown.
URIS = {
    f"http://me:{SECRET}@host:5000/base": "http://host:5000/base",
    f"http://{SECRET}@host": "http://host",  # a token
    f"http://me:{SECRET}@[::1]:5000": "http://[::1]:5000",
    f"postgresql://me:a/{SECRET}@host/runs": "postgresql://host/runs",
    f"postgresql://me:a@{SECRET}@host/runs": "postgresql://host/runs",
    f"postgresql://me:{SECRET}?b@host/runs": "postgresql://host/runs",
    f"postgresql://me:{SECRET}#b@host/runs": "postgresql://host/runs",
    f"postgresql://me:a:{SECRET}@host/runs": "postgresql://host/runs",
    f"postgresql://me:a%2F{SECRET}@host/runs": "postgresql://host/runs",
    f"postgresql://host/runs?password={SECRET}": "postgresql://host/runs?password=***",
    f"postgresql:///runs?host=/run&PassWord={SECRET}&a=b": (
        "postgresql:///runs?host=/run&PassWord=***&a=b"
    ),
    f"http://host?a=b;access%5Ftoken={SECRET}": "http://host?a=b;access%5Ftoken=***",
    f"http://host?%70assword={SECRET}": "http://host?%70assword=***",
    f"http://host#token={SECRET}": "http://host",
    f"postgresql://host/runs?password=a;'){SECRET}&b=c": "postgresql://host/runs?password=***&b=c",
    f"mongodb://me:{SECRET}@host": "mongodb://host",
    f"me:{SECRET}@host/runs": "host/runs",
    f"http://me:{SECRET}@[host": "http://[host",
}
PLAIN = (
    "http://127.0.0.1:5000",
    "postgresql:///runs?host=/run/postgresql",
    "sqlite:////home/me@example.org/mlflow.db",
    "mlruns",
)


class TestShown:
    @pytest.mark.parametrize("uri", URIS)
    def test_a_uri_is_shown_without_its_secrets(self, uri: str) -> None:
        assert hide(uri) == URIS[uri]
        store = ServerStore(ServerLocation(uri))
        assert SECRET not in f"{store} {store!r} {[store]} {Tracking(uri)}"
        assert SECRET not in store.location.name_in_queue

    @pytest.mark.parametrize("uri", PLAIN)
    def test_one_without_is_shown_as_it_is(self, uri: str) -> None:
        assert hide(uri) == scrub(uri) == uri
        assert find(uri) == set()

    @pytest.mark.parametrize("uri", URIS)
    def test_a_library_may_quote_it(self, uri: str) -> None:
        for text in (
            f"API request to {uri}/api/2.0/mlflow failed",
            f"Could not parse URL from string '{uri}'",
            f"({uri!r}, 'runs')",
        ):
            assert SECRET not in scrub(text, *([] if "://" in uri else [uri]))

    def test_a_library_may_quote_a_part_of_it(self) -> None:
        uri = f"postgresql://me:a%2F{SECRET}@host/runs?sslpassword=b+c"
        text = f"invalid: password=a/{SECRET}, or a%2F{SECRET}, sslpassword 'b c'"
        told = "invalid: password=***, or ***, sslpassword '***'"
        assert scrub(text, uri) == told
        with pytest.raises(StoreError) as error, store_errors(ServerLocation(uri)):
            raise ArgumentError(text)
        assert told in str(error.value)

    def test_of_a_text_only_the_secret_is_gone(self) -> None:
        text = (
            "GET http://me:pw@host:5/a?token=b&c=d failed: mail admin@example.org, see http://x/y"
        )
        assert scrub(text) == (
            "GET http://host:5/a?token=***&c=d failed: mail admin@example.org, see http://x/y"
        )

    def test_the_reason_of_a_failed_run_is_such_a_text(self) -> None:
        error = ArgumentError("cannot parse postgresql://me:hunter2@host/runs")
        assert first_line(error) == "ArgumentError: cannot parse postgresql://host/runs"


class TestRefused:
    @pytest.mark.parametrize(
        "uri",
        [
            f"mongodb://me:{SECRET}@host",
            f"me:{SECRET}@host",
            f"sqlite://me:{SECRET}@/runs.db",
            f"postgresql://me:a/{SECRET}@host/runs",
            f"postgresql://me:a@{SECRET}@host/runs",
            f"postgresql://me:{SECRET}?@host/runs",
            f"http://me:a {SECRET}@host",
            f"http://me:a\\{SECRET}@host",
            f"http://me:{SECRET}@host:port",
            f"http://me:{SECRET}@[host",
        ],
    )
    def test_a_uri_that_cannot_be_used_is_refused_without_it(self, uri: str) -> None:
        with pytest.raises(StoreError, match=r"^tracking\.uri=") as error:
            tracking.locate_store(Tracking(uri))
        assert SECRET not in str(error.value)

    @pytest.mark.parametrize(
        "uri", [*PLAIN[:2], f"http://me:a%40{SECRET}@[::1]:5000/x?y=z", "postgresql://me@host/runs"]
    )
    def test_what_is_clear_has_no_flaw(self, uri: str) -> None:
        assert find_flaw(uri) is None

    def test_a_setting_that_is_wrong_is_named_without_it(self) -> None:
        uri = f"http://me:{SECRET}@{'h' * 1000}"
        with pytest.raises(ConfigError, match=r"^tracking\.uri='http://hhh") as error:
            parse(Tracking, {"uri": uri}, "tracking")
        assert SECRET not in str(error.value)
        with pytest.raises(ConfigError) as error:
            check_words([f"tracking.uri=http://me:{SECRET}{'1' * 5000}@host"])
        assert SECRET not in str(error.value)

    def test_a_bundle_needs_no_store(self) -> None:
        with pytest.raises(ConfigError, match=r"tracking_uri=http://host: x.zip is a bundle"):
            load_study("x.zip", tracking_uri=f"http://me:{SECRET}@host")

    def test_what_the_report_is_asked_for(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://other")
        uri = f"http://me:a{{{SECRET}@host"  # a brace is a sign of Hydra's own
        settings = read_settings(["study=x", f"tracking.uri={uri}"])
        assert settings.tracking.uri == uri
        assert SECRET not in repr(settings)


class TestWords:
    @pytest.fixture(autouse=True)
    def _environment(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://other")

    @pytest.mark.parametrize(
        ("word", "uri"),
        [
            (f"tracking.uri=http://me:{SECRET}@host", f"http://me:{SECRET}@host"),
            (f"++tracking.uri='http://me:{SECRET},@host'", f"http://me:{SECRET},@host"),
            (rf"tracking.uri=http://me:{SECRET}\,@host", f"http://me:{SECRET},@host"),
            (f"tracking.uri=http://me:{{{SECRET}@host", f"http://me:{{{SECRET}@host"),
            (f"tracking.uri=http://host?token={SECRET}", f"http://host?token={SECRET}"),
        ],
    )
    def test_the_uri_goes_to_the_environment(self, word: str, uri: str) -> None:
        key, _, _ = word.partition("=")
        assert hide_credentials(["-m", word]) == ["-m", f"{key}=${{oc.env:MLFLOW_TRACKING_URI}}"]
        assert os.environ["MLFLOW_TRACKING_URI"] == uri

    def test_what_holds_no_secret_stays(self) -> None:
        words = ["-m", "seed=0,1", "tracking.uri=http://host", "x=ssh://me@host", "a=b@c"]
        assert hide_credentials(words) == words
        assert os.environ["MLFLOW_TRACKING_URI"] == "http://other"

    @pytest.mark.parametrize(
        "word",
        [
            f"tracking={{uri:'http://me:{SECRET}@host'}}",
            f"hydra.sweeper.storage=postgresql://me:{SECRET}@host/optuna",
        ],
    )
    def test_another_word_that_holds_one_is_refused(self, word: str) -> None:
        with pytest.raises(ConfigError, match=r"give \S+=\$\{oc\.env:NAME\}\.$") as error:
            hide_credentials([word])
        assert SECRET not in str(error.value)

    @pytest.mark.parametrize("kind", ["on_run_start", "on_multirun_start"])
    def test_a_file_of_settings_may_hold_one(self, kind: str) -> None:
        uri = f"http://me:{SECRET}@host"
        given = {"tracking": {"uri": uri}, "hydra": {"overrides": {"task": ["seed=1"]}}}
        config = OmegaConf.create(given)
        OmegaConf.set_struct(config, True)
        OmegaConf.set_readonly(config.hydra, True)
        getattr(HideCredentials(), kind)(config=config)
        assert SECRET not in OmegaConf.to_yaml(config)
        assert config.tracking.uri == uri


class TestWritten:
    def test_the_points_of_a_sweep(self, tmp_path: Path) -> None:
        uri = f"http://me:{SECRET}@host/a?b"
        job = Job(
            0, [f"tracking.uri={uri}"], OmegaConf.create({"tracking": {"uri": uri}, "seed": 1})
        )
        train.write_jobs([job], tmp_path / "points.jsonl")
        assert json.loads((tmp_path / "points.jsonl").read_text()) == {
            "job": 0,
            "overrides": ["tracking.uri=http://host/a?b"],
            "config": {"tracking": {"uri": "http://host/a?b"}, "seed": 1},
        }

    def test_a_traceback(
        self, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(train, "WANTS_TRACEBACK", True)
        error = StoreError("no answer")
        error.__cause__ = OSError(f"http://me:{SECRET}@host/api")
        with pytest.raises(SystemExit):
            train.exit_with(error)
        said = capsys.readouterr().err
        assert "OSError: http://host/api" in said
        assert SECRET not in said

    @pytest.mark.slow
    @pytest.mark.parametrize(
        ("way", "mode"),
        [
            ("word", ("-m", "seed=0,1")),
            ("file", ("-m", "seed=0,1", "hydra/launcher=basic")),
            ("file", ("seed=0",)),
            ("environment", ("-m", "seed=0,1")),
        ],
    )
    def test_a_sweeps_folder_and_all_that_it_says(
        self,
        way: str,
        mode: tuple[str, ...],
        actscope: Run,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        uri = f"http://me:{SECRET}@127.0.0.1:9"
        conf = tmp_path / "conf" / "tracking" / "mine.yaml"
        conf.parent.mkdir(parents=True)
        conf.write_text(f"uri: {uri}\nsystem_metrics: false\nmodel: false\nplotly: false\n")
        words = {
            "word": [f"tracking.uri={uri}"],
            "file": ["tracking=mine"],
            "environment": ["tracking.uri=${oc.env:THERE}"],
        }[way]
        monkeypatch.setenv("THERE", uri)
        done = actscope(f"--config-dir={tmp_path / 'conf'}", *mode, *words)
        assert "the store http://127.0.0.1:9 does not answer" in done.stderr
        assert SECRET not in f"{done.stdout}{done.stderr}"
        written = [path for path in (tmp_path / "outputs").rglob("*") if path.is_file()]
        assert written
        assert not [path for path in written if SECRET in path.read_text()]


@pytest.fixture(params=[0o022, 0])
def umask(request: pytest.FixtureRequest) -> Iterator[int]:
    before = os.umask(request.param)
    yield request.param
    os.umask(before)


@pytest.mark.usefixtures("umask")
class TestFiles:
    def test_a_secret_is_drawn_for_its_owner_alone(self, tmp_path: Path) -> None:
        (tmp_path / ".key.new").write_text("left by a killed server")
        secret = server._secret(tmp_path / "key")
        assert [path.name for path in tmp_path.iterdir()] == ["key"]
        assert stat.S_IMODE((tmp_path / "key").stat().st_mode) == 0o600
        assert server._secret(tmp_path / "key") == secret

    def test_one_that_others_could_read_is_told_and_closed(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        path = tmp_path / "key"
        path.write_text("abc\n")
        path.chmod(0o644)
        assert server._secret(path) == "abc"
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        told = capsys.readouterr().err
        assert told == f"{path}: others could read this secret (mode 644). Its mode is 600 now.\n"
        server._secret(path)
        assert capsys.readouterr().err == ""

    def test_the_servers_own_settings(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        path = tmp_path / "basic_auth.ini"
        path.write_text("of an older version")
        path.chmod(0o644)
        database = server.make_url(f"postgresql://me:{SECRET}@host/runs")
        server._environment(ServerSettings(), tmp_path, database)
        assert SECRET in path.read_text()
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert "basic_auth.ini: others could read" in capsys.readouterr().err

    def test_a_database_is_shown_without_its_secret(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        for uri in (f"postgresql://me:{SECRET}@h/runs", f"postgresql://h/runs?password={SECRET}"):
            server._print_how_to_use(ServerSettings(), tmp_path, server.make_url(uri))
        assert SECRET not in capsys.readouterr().out
