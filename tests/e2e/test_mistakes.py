"""A mistake in YAML or in Hydra's words is one line: where, what, what would be right."""

from pathlib import Path

import pytest

from actscope.analysis.claims.claims import read_claims
from actscope.command_line.settings import read_settings
from actscope.commands.settings import StatusSettings
from actscope.errors import ConfigError
from actscope.report.settings import read_settings as read_report_settings
from tests.e2e.conftest import Refused, Run

RELU = b"function:\n  _target_: torch.nn.ReLU\n"
ONE = ("activation=relu", "lr=0.01", "seed=0")

FILES = {
    "tab": (
        b"name: tab\nfunction:\n\t_target_: torch.nn.ReLU\n",
        ", line 3, column 1: found character '\\t' that cannot start any token. Indent with spaces",
    ),
    "twice": (
        b"name: twice\nname: twice\n" + RELU,
        ", line 2, column 1: found duplicate key name. Keep one of them",
    ),
    "latin": (
        b"name: a\n# f\xfcr\n" + RELU,
        ", line 2: a character is not UTF-8. Save the file as UTF-8",
    ),
    "utf16": ("name: a".encode("utf-16"), ", line 1: a character is not UTF-8."),
    "nul": (b"name: a\0\n" + RELU, ", character 8: special characters are not allowed. Remove it."),
    "open": (b"name: 'a\n" + RELU, ", line 4, column 1: found unexpected end of stream. Correct"),
    "colon": (b"name: a: b\n" + RELU, ", line 1, column 8: mapping values are not allowed here."),
    "code": (b"name: !!python/name:os.system\n", ", line 1, column 7: could not determine a"),
    "number": (b"5\n", ": Invalid loaded object type: int"),
    "interpolation": (b"name: ${\n", ": no viable alternative at input '${'"),
    "header": (b"# @package\nname: a\n", ": Expected header format: KEY VALUE, got '@package'"),
}


@pytest.mark.parametrize("name", FILES)
def test_a_mistake_in_a_file_is_told_with_its_place(
    name: str, refused: Refused, tmp_path: Path
) -> None:
    text, told = FILES[name]
    file = tmp_path / "conf" / "activation" / f"{name}.yaml"
    file.parent.mkdir(parents=True)
    file.write_bytes(text)
    line = refused("--config-dir", str(tmp_path / "conf"), f"activation={name}")
    assert line.startswith(f"{file}{told}")


EXPERIMENTS = {
    "study: mine\nlr: 0.5\n": (
        "experiment.study='mine': has no effect. Make `# @package _global_` the first line of the"
    ),
    "# @package _global_\nhydra: {sweeper: {params: {lr: [0.1, 0.2]}}}\n": (
        "experiment/mine.yaml: hydra.sweeper.params.lr: Cannot convert 'ListConfig' to string: "
        "'[0.1, 0.2]'. Give the values as one text, like 0.001,0.01"
    ),
    "# @package _global_\nhydra: {sweeper: {params: {sed: '1,2'}}}\n": (
        "sed: unknown setting; did you mean seed?"
    ),
    "# @package _global_\nhydra: {sweeper: {params: {lr: '0.1,'}}}\n": (
        "lr=0.1,: a value is missing after the last comma."
    ),
    "# @package _global_\nhydra: {launcher: {workers: two}}\n": (
        "experiment/mine.yaml: hydra.launcher.workers: Value 'two' of type 'str' could not"
    ),
    "# @package _global_\ndefaults: [override /data: mnst]\n": (
        "data=mnst: there is no data/mnst; did you mean mnist? Choose one of cifar10, digits,"
    ),
}


@pytest.mark.parametrize("text", EXPERIMENTS, ids=range(len(EXPERIMENTS)))
def test_a_mistake_in_an_experiment_is_told(text: str, refused: Refused, tmp_path: Path) -> None:
    file = tmp_path / "conf" / "experiment" / "mine.yaml"
    file.parent.mkdir(parents=True)
    file.write_text(text)
    line = refused("--config-dir", str(tmp_path / "conf"), "-m", "experiment=mine")
    assert line.startswith(EXPERIMENTS[text])


WORDS = {
    ("-m", "train.epoch=3"): "train.epoch: unknown setting; did you mean train.epochs? C",
    ("-m", "tarin.epochs=3"): "tarin.epochs: unknown setting; did you mean train.epochs?",
    ("-m", "activation=rel"): "activation=rel: there is no activation/rel; did you mean relu? Cho",
    ("-m", "activation=null"): "activation=null: Config group override must be a string or a list",
    ("-m", "activation=elu,celu", "activation.function.alpha=0.5"): (
        "activation.function.alpha: some of the activations have no such setting. Give "
        "++activation.function.alpha=0.5 to add it to all of them."
    ),
    ("-m", "experiment=edge,article_dying"): (
        "experiment=edge: sets hydra.sweeper, which cannot differ within a sweep. Start one sweep "
        "for each value, with experiment=edge"
    ),
    ("-m", "lr=0.1,"): "lr=0.1,: a value is missing after the last comma. Add it or remove",
    ("-m", "lr"): "lr: has no value. Give settings as name=value.",
    ("-m", "=1"): "=1: has no name. Give settings as name=value",
    ("-m", "model.hidden=[64,", "64]"): (
        "model.hidden=[64,: Hydra cannot read the value. Check its commas, brackets and quotes. A "
        "value with spaces needs quotes."
    ),
    ("-m", "model.hidden[0]=3"): (
        "model.hidden[0]=3: a single value of a list cannot be set. Give all: model.hidden=[1,2]."
    ),
    ("-m", "study='a"): "study='a: Hydra cannot read the value. Check its commas, brackets and",
    ("-m", "seed=range(0,10,0)"): "seed=range(0,10,0): range() arg 3 must not be zero",
    ("-m", "lr=log(1)"): "lr=log(1): Unknown function 'log' Available: bool,choice,float,glob,",
    ("-m", "lr=interval(0,1)"): "interval(...): works only with an optimising sweeper. Give val",
    ("-m", "+lr=1"): "+lr: the setting exists already. Give it without the +.",
    ("-m", "~rate"): "~rate: unknown setting. Remove it.",
    ("lr=0.1,0.2",): "lr=0.1,0.2: has several values. Use --multirun (-m)",
    ("-m", "hydra.launcher.workers=two"): (
        "hydra.launcher.workers=two: Value 'two' of type 'str' could not be converted to Integer"
    ),
    (
        "-m",
        "hydra.launcher.workers=1,2",
    ): "hydra.launcher.workers=1,2: has several values. Give one: Hydra",
    ("-m", "hydra.sweeper.params.lr=[0.1,0.2]"): (
        "hydra.sweeper.params.lr=[0.1,0.2]: Cannot convert 'list' to string: '[0.1, 0.2]'. Give "
        "the values as one text, like 0.001,0.01"
    ),
    ("-m", *ONE, "hydra.sweeper.max_batch_size=0"): (
        "hydra.sweeper.max_batch_size=0: must be at least 1, or null"
    ),
    ("-m", "--cfg", "job"): "--multirun --cfg: exclude each other. Give one of them.",
    ("-m", "--info", "all"): "--multirun --info: exclude each other. Give one of them.",
    ("-sc", "foo"): "--shell-completion: the action is missing. Give install=bash or uninstall=",
    ("--resolve",): "--resolve: works only with --cfg. Give both.",
    ("--cfg", "jbo"): "argument --cfg/-c: invalid choice: 'jbo'",
    ("--foo",): "unrecognized arguments: --foo. See ",
    ("--config-dir", "nowhere"): "Additional config directory '",
}


@pytest.mark.parametrize("words", WORDS, ids=" ".join)
def test_a_mistake_in_words_is_told_with_a_remedy(words: tuple[str, ...], refused: Refused) -> None:
    assert refused(*words).startswith(WORDS[words])


@pytest.mark.slow
def test_options_may_stand_between_settings(actscope: Run, tmp_path: Path) -> None:
    file = tmp_path / "conf" / "activation" / "mine.yaml"
    file.parent.mkdir(parents=True)
    file.write_bytes(b"name: mine\n" + RELU)
    words = ["-m", "study=s", "--config-dir", str(tmp_path / "conf"), "activation=mine", "lr=0.1"]
    done = actscope(*words, "seed=0", "sweep.dry_run=true")
    assert done.returncode == 0, done.stderr
    assert "points  1 (1 activations x 1 rates x 1 seeds)" in done.stdout


COMMAND_WORDS = {
    "study=[a": "study=[a: the value cannot be read. Close its brackets and quotes, or quote",
    "study={a": "study={a: the value cannot be read.",
    "study=%x": "study=%x: the value cannot be read.",
    "study='a": "study='a: the value cannot be read.",
    "study=*a": "study=*a: the value cannot be read.",
    "study=!!python/none": "study=!!python/none: the value cannot be read.",
    "study=?": "study=?: Incompatible key type 'NoneType'",
    "=a": "=a: is not a setting. Give settings as name=value.",
    "study": "study: is not a setting. Give settings as name=value.",
}


@pytest.mark.parametrize("word", COMMAND_WORDS)
def test_a_mistake_in_a_word_of_a_command_is_told(word: str) -> None:
    with pytest.raises(ConfigError) as told:
        read_settings(StatusSettings, ["study=fine", word])
    assert str(told.value).startswith(COMMAND_WORDS[word])


REPORT_WORDS = {
    "report.fodler=x": "report.fodler: unknown setting; did you mean report.folder? Choo",
    "study=a,b": "study=a,b: has several values. Give one value; a setting that takes a list",
    "report.compare=[a,": "report.compare=[a,: Hydra cannot read the value. Check its commas",
    "tracking=locl": "tracking=locl: there is no tracking/locl; did you mean local? Choose one of",
    "tracking=null": "tracking=null: Config group override must be a string or a list.",
    "=1": "=1: has no name. Give settings as name=value",
}


@pytest.mark.parametrize("word", REPORT_WORDS)
def test_a_mistake_in_a_word_of_a_report_is_told(word: str) -> None:
    with pytest.raises(ConfigError) as told:
        read_report_settings([word])
    assert str(told.value).startswith(REPORT_WORDS[word])


@pytest.mark.parametrize("name", ["tab", "twice", "latin"])
def test_a_mistake_in_a_file_of_claims_is_told_with_its_place(name: str, tmp_path: Path) -> None:
    text, told = FILES[name]
    (tmp_path / f"{name}.yaml").write_bytes(text)
    with pytest.raises(ConfigError) as error:
        read_claims(tmp_path)
    assert str(error.value).startswith(f"{tmp_path}/{name}.yaml{told}")
