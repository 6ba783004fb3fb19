"""Every setting is checked once; a wrong one is named in a line that says what would be right."""

import math

import pytest
from omegaconf import DictConfig, OmegaConf

from actscope.config import DataSource, Extras, Point, Tracking
from actscope.errors import ConfigError
from actscope.metric import R2
from actscope.network_settings import OwnNetwork
from actscope.parsing import flat_settings, nested_settings, parse_point, parse_tracking
from actscope.project import CONF
from tests.support.making import BN_RELU, ELU, PRELU, make_point


@pytest.fixture(scope="module")
def good(compose) -> DictConfig:
    return compose()


def with_setting(config: DictConfig, name: str, value: object) -> DictConfig:
    """A copy of the configuration with one setting, known or not, given any value."""
    changed = OmegaConf.create(OmegaConf.to_container(config))
    OmegaConf.update(changed, name, value, merge=False, force_add=True)
    return changed


def refusal(config: DictConfig) -> str:
    with pytest.raises(ConfigError) as caught:
        parse_point(config)
    message = str(caught.value)
    assert len(message.splitlines()) == 1
    assert len(message) < 200
    assert message.isascii()
    assert message.isprintable()
    return message


# Right values


@pytest.mark.parametrize(
    ("name", "value", "read"),
    [
        ("seed", 0, lambda point: point.seed),
        ("seed", 2**63 - 1, lambda point: point.seed),
        ("lr", 1e-9, lambda point: point.lr),
        ("lr", 1000.0, lambda point: point.lr),
        ("train.momentum", 0, lambda point: point.train.momentum),
        ("train.momentum", 0.9, lambda point: point.train.momentum),
        ("train.weight_decay", 0.0, lambda point: point.train.weight_decay),
        ("train.batch_size", 1, lambda point: point.train.batch_size),
        ("train.epochs", 1, lambda point: point.train.epochs),
        ("train.reduction", "mean", lambda point: point.train.reduction),
        ("trajectory.every", 1, lambda point: point.trajectory.every),
        ("trajectory.every", "epoch", lambda point: point.trajectory.every),
        ("model.init", "xavier", lambda point: point.model.init),
        ("outcome.learned_from", 1, lambda point: point.outcome.learned_from),
        ("data.name", "kmnist", lambda point: point.data.name),
        ("study", "a-study_2.1", lambda point: point.study),
        ("study", "s" * 64, lambda point: point.study),
    ],
)
def test_a_right_value_is_kept(good, name, value, read):
    assert read(parse_point(with_setting(good, name, value))) == value


def test_a_whole_number_is_a_rate(good):
    point = parse_point(with_setting(good, "lr", 1))
    assert isinstance(point.lr, float)
    assert point == parse_point(with_setting(good, "lr", 1.0))


def test_hidden_is_a_list_of_any_length(good):
    assert parse_point(with_setting(good, "model.hidden", [64])).model.hidden == (64,)
    assert parse_point(with_setting(good, "model.hidden", [3, 2, 1])).model.hidden == (3, 2, 1)


def test_initial_weights_may_be_given_a_standard_deviation(compose):
    point = parse_point(compose("model.init=normal", "model.init_std=0.01"))
    assert (point.model.init, point.model.init_std) == ("normal", 0.01)


def test_arguments_of_a_function_are_its_own_settings(compose):
    point = parse_point(compose("activation=elu", "activation.function.alpha=0.3"))
    assert point.activation.function == "torch.nn.ELU"
    assert point.activation.arguments == (("alpha", 0.3),)


@pytest.mark.parametrize("name", sorted(path.stem for path in (CONF / "activation").glob("*.yaml")))
def test_every_shipped_activation_is_called_like_its_file(compose, name):
    activation = parse_point(compose(f"activation={name}")).activation
    assert activation.name == name
    assert activation.batch_norm == (name == "bn_relu")


OF_FUNCTIONS = {"digits_as_targets", "sequences", "shapes"}


@pytest.mark.parametrize(
    "name",
    sorted({path.stem for path in (CONF / "data").glob("*.yaml")} - OF_FUNCTIONS),
)
def test_every_shipped_data_set_is_called_like_its_file_or_is_a_noisy_one(compose, name):
    source = parse_point(compose(f"data={name}")).data
    assert name == (f"{source.name}_noise" if source.noise else source.name)


@pytest.mark.parametrize("name", sorted(OF_FUNCTIONS))
def test_the_other_data_sets_are_functions(compose, name):
    assert parse_point(compose(f"data={name}", "model=lenet")).data.is_own


def test_the_data_of_the_autoencoder_are_a_function(compose):
    point = parse_point(compose("experiment=autoencoder"))
    assert point.data.is_own
    assert point.train.judged_by is R2


def test_the_default_metric_of_a_loss_need_not_be_named(compose):
    words = ["experiment=autoencoder", "train.metric=r2"]
    assert parse_point(compose(*words)) == parse_point(compose(words[0]))


# Wrong values


LARGE = 2**63
INITS = "must be 'he', 'lecun', 'xavier', 'matched', 'normal' or 'own'"
WRONG = [
    ("lr", math.nan, "lr=nan: must be a finite number"),
    ("lr", math.inf, "lr=inf: must be a finite number"),
    ("lr", -math.inf, "lr=-inf: must be a finite number"),
    ("lr", -1, "lr=-1: must be more than 0"),
    ("lr", 0, "lr=0: must be more than 0"),
    ("lr", True, "lr=True: must be a number"),
    ("lr", "fast", "lr='fast': must be a number"),
    ("lr", None, "lr=None: must be a number"),
    ("lr", [0.1, 0.2], "lr=[0.1, 0.2]: must be a number"),
    ("seed", 1.5, "seed=1.5: must be a whole number"),
    ("seed", 1.0, "seed=1.0: must be a whole number"),
    ("seed", -1, "seed=-1: must be at least 0"),
    ("seed", True, "seed=True: must be a whole number"),
    ("seed", "0", "seed='0': must be a whole number"),
    ("seed", LARGE, f"seed={LARGE}: must be less than {LARGE}"),
    ("model.hidden", [], "model.hidden=[]: must have at least 1 value"),
    ("model.hidden", 64, "model.hidden=64: must be a list like [64]"),
    ("model.hidden", [64, 0], "model.hidden[1]=0: must be at least 1"),
    ("model.hidden", [-3], "model.hidden[0]=-3: must be at least 1"),
    ("model.hidden", [1.5], "model.hidden[0]=1.5: must be a whole number"),
    ("model.hidden", [True], "model.hidden[0]=True: must be a whole number"),
    ("model.hidden", [[64]], "model.hidden[0]=[64]: must be a whole number"),
    ("model.hidden", [2**15 + 1], "model.hidden[0]=32769: must be at most 32768"),
    ("model.init", "foo", "model.init='foo': " + INITS),
    ("model.init", None, "model.init=None: " + INITS),
    ("model.depth", 0, "model.depth=0: must be a whole number from 1 to 126"),
    ("model.depth", 2.0, "model.depth=2.0: must be a whole number from 1 to 126"),
    ("model.depth", True, "model.depth=True: must be a whole number from 1 to 126"),
    ("model.width", 2**15 + 1, "model.width=32769: must be a whole number from 1 to 32768"),
    ("model.width", "x", "model.width='x': must be a whole number from 1 to 32768"),
    ("model.init", "normal", "model.init_std: must be given with model.init=normal, and only then"),
    ("model.init_std", 0.1, "model.init_std: must be given with model.init=normal, and only then"),
    ("model.init_std", 0, "model.init_std=0: must be more than 0"),
    ("model.init_std", math.nan, "model.init_std=nan: must be a finite number"),
    ("train.batch_size", 0, "train.batch_size=0: must be at least 1"),
    ("train.batch_size", 10.5, "train.batch_size=10.5: must be a whole number"),
    ("train.epochs", 0, "train.epochs=0: must be at least 1"),
    ("train.epochs", None, "train.epochs=None: must be a whole number"),
    ("train.reduction", "max", "train.reduction='max': must be 'sum' or 'mean'"),
    ("train.momentum", 1, "train.momentum=1: must be less than 1"),
    ("train.momentum", -0.1, "train.momentum=-0.1: must be at least 0"),
    ("train.momentum", math.nan, "train.momentum=nan: must be a finite number"),
    ("train.weight_decay", -1, "train.weight_decay=-1: must be at least 0"),
    ("train.weight_decay", 1e300, "train.weight_decay=1e+300: must be at most 1"),
    ("trajectory.every", 0, "trajectory.every=0: must be at least 1 or 'epoch'"),
    ("trajectory.every", "step", "trajectory.every='step': must be a whole number or 'epoch'"),
    ("trajectory.every", True, "trajectory.every=True: must be a whole number or 'epoch'"),
    ("outcome.learned_from", 0, "outcome.learned_from=0: must be more than 0"),
    ("outcome.learned_from", 1.5, "outcome.learned_from=1.5: must be at most 1"),
    (
        "data.name",
        1,
        "data.name=1: must be a text",
    ),
    ("data.root", "", "data.root='': must have at least 1 character"),
    ("data.root", 3, "data.root=3: must be a text"),
    ("activation.batch_norm", "yes", "activation.batch_norm='yes': must be true or false"),
    ("activation.batch_norm", 1, "activation.batch_norm=1: must be true or false"),
    ("train", None, "train=None: must have settings by name"),
    ("data", "mnist", "data='mnist': must have settings by name"),
    ("data", None, "data=None: must have settings by name"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "value", "message"), WRONG, ids=[f"{name}={value}" for name, value, _ in WRONG]
)
def test_a_wrong_value_is_refused(good, name, value, message):
    assert refusal(with_setting(good, name, value)) == f"{message}."


@pytest.mark.parametrize("setting", ["study", "activation.name"])
@pytest.mark.parametrize(
    "name",
    [
        "../x",
        "a/b",
        "<script>",
        "übung",
        "名前",
        "it's",
        '"',
        "a b",
        "a\nb",
        "a\n",
        "",
        "-a",
        "a=b",
    ],
)
def test_a_name_is_of_few_kinds_of_characters(good, setting, name):
    message = refusal(with_setting(good, setting, name))
    assert message == (
        f"{setting}={name!a}: must begin with a letter or digit, and have only letters, digits, "
        "'_', '.' and '-'."
    )


@pytest.mark.parametrize(
    ("validation", "message"),
    [
        (-1, "data.validation=-1: must be a share under 1 or a number of examples."),
        (1.5, "data.validation=1.5: must be a share under 1 or a number of examples."),
        (True, "data.validation=True: must be a whole number or a number."),
        ("a", "data.validation='a': must be a whole number or a number."),
    ],
)
def test_validation_is_a_share_or_a_number_of_examples(good, validation, message):
    assert refusal(with_setting(good, "data.validation", validation)) == message
    for allowed, parsed in ((0, 0), (0.0, 0), (0.1, 0.1), (500, 500)):
        point = parse_point(with_setting(good, "data.validation", allowed))
        assert repr(point.data.validation) == repr(parsed)


@pytest.mark.parametrize(
    ("setting", "value", "problem"),
    [
        ("train_size", 0, "must be at least 1"),
        ("train_size", 0.5, "must be a whole number"),
        ("scale", "none", "must be 'unit' or 'standard'"),
        ("noise", -0.1, "must be at least 0"),
        ("noise", 1.5, "must be at most 1"),
    ],
)
def test_harder_data_have_their_ranges(good, setting, value, problem):
    assert refusal(with_setting(good, f"data.{setting}", value)) == (
        f"data.{setting}={value!r}: {problem}."
    )


def test_mnist1d_has_no_background_for_noise(compose):
    assert refusal(compose("data=mnist1d", "data.noise=0.3")) == (
        "data.noise=0.3: mnist1d has no background. Use 0."
    )


def test_a_run_without_test_examples_needs_validation_examples(good):
    assert refusal(with_setting(good, "data.test", False)) == (
        "data.test=False: needs validation examples. Set data.validation."
    )


@pytest.mark.parametrize("setting", ["study", "activation.name"])
def test_a_name_of_10000_characters_is_refused_in_a_short_line(good, setting):
    message = refusal(with_setting(good, setting, "a" * 10_000))
    assert message.startswith(f"{setting}='aaaaaaaa")
    assert message.endswith("aaa...: must have at most 64 characters.")


def test_a_study_may_not_have_the_name_that_mlflow_keeps(good):
    assert refusal(with_setting(good, "study", "Default")) == (
        "study=Default: MLflow reserves this name. Choose another one."
    )
    assert parse_point(with_setting(good, "study", "default")).study == "default"


@pytest.mark.parametrize(
    ("name", "shown", "reason"),
    [
        ("sead", "sead", "unknown setting. Choose one of study, activation, lr, seed, "),
        ("train.lr", "train.lr", "unknown setting. Choose one of epochs, batch_size, "),
        ("model.wide", "model.wide", "unknown setting. Choose one of hidden, init, "),
        ("activation.norm", "activation.norm", "unknown setting. Choose one of name, "),
        (
            "activation.arguments",
            "activation.arguments",
            "unknown setting. Give them in activation.function.",
        ),
        ("x" * 10_000, "x" * 57 + "...", "unknown setting. "),
        ("a\nb", "a\\nb", "unknown setting. "),
    ],
)
def test_an_unknown_setting_is_refused(good, name, shown, reason):
    assert refusal(with_setting(good, name, 1)).startswith(f"{shown}: {reason}")


@pytest.mark.parametrize("name", ["study", "lr", "seed", "data", "model", "train"])
def test_a_missing_setting_is_named(good, name):
    config = OmegaConf.create(OmegaConf.to_container(good))
    del config[name]
    assert refusal(config) == f"{name}: is missing."


@pytest.mark.parametrize("name", ["train.epochs", "data.name", "activation.name"])
def test_a_missing_setting_of_a_group_is_named(good, name):
    config = OmegaConf.create(OmegaConf.to_container(good))
    group, _, key = name.partition(".")
    del config[group][key]
    assert refusal(config) == f"{name}: is missing."


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("???", "train.epochs: Missing mandatory value: epochs"),
        ("${nope}", "train.epochs: Interpolation key 'nope' not found"),
        (
            "${oc.env:ACTSCOPE_NOPE}",
            "train.epochs: KeyError raised while resolving interpolation: ",
        ),
    ],
)
def test_a_value_that_leads_nowhere_is_refused(good, value, message):
    assert refusal(with_setting(good, "train.epochs", value)).startswith(message)


@pytest.mark.parametrize("activation", [None, "relu", {}, {"name": "relu"}, {"function": "relu"}])
def test_an_activation_needs_a_function(good, activation):
    assert refusal(with_setting(good, "activation", activation)) == (
        "activation.function._target_: is missing. Give the function's import path."
    )


@pytest.mark.parametrize(
    ("function", "message"),
    [
        ({"_target_": None}, "activation.function=None: must be a text"),
        ({"_target_": "x" * 300}, "activation.function='xxx"),
        (
            {"_target_": "x", "alpha": math.nan},
            "activation.function.alpha=nan: must be a finite number",
        ),
        (
            {"_target_": "x", "alpha": [1]},
            "activation.function.alpha=[1]: must be true or false or a ",
        ),
        ({"_target_": "x", "alpha": "y" * 999}, "activation.function.alpha='yyy"),
        ({"_target_": "x", 3: 1, "a": 1}, "activation.function.3=3: must be a text"),
    ],
)
def test_arguments_of_a_function_are_plain_values(good, function, message):
    assert refusal(with_setting(good, "activation.function", function)).startswith(message)


# Names and settings of a point


@pytest.mark.parametrize(
    ("lr", "name"),
    [
        (0.01, "elu lr=0.01 seed=3"),
        (1e-05, "elu lr=1e-05 seed=3"),
        (1.0, "elu lr=1 seed=3"),
        (10.0, "elu lr=10 seed=3"),
        (0.012345678, "elu lr=0.012345678 seed=3"),
    ],
)
def test_a_point_is_called_by_activation_rate_and_seed(lr, name):
    assert str(make_point(ELU, lr=lr, seed=3)) == name


def points() -> list[Point]:
    return [
        make_point(),
        make_point(ELU, seed=0, lr=1.0),
        make_point(BN_RELU, hidden=(3, 2, 1), every="epoch"),
        make_point(PRELU, init="normal", init_std=0.1, momentum=0.9, data="mnist", root="data"),
    ]


@pytest.mark.parametrize("point", points(), ids=str)
def test_the_settings_of_a_point_make_the_same_point_again(point):
    written = OmegaConf.to_yaml(OmegaConf.create(nested_settings(point)))
    assert parse_point(OmegaConf.create(written)) == point


def test_a_composed_point_has_the_settings_of_its_configuration(good):
    settings = nested_settings(parse_point(good))
    composed = OmegaConf.to_container(good)
    for name in ("device", "experiment", "sweep", "tracking", "tuning"):
        composed.pop(name, None)
    composed["model"] = {"hidden": [64], "init": "he", "init_std": None}
    assert settings == composed


@pytest.mark.parametrize(
    ("words", "hidden"),
    [
        (["model.depth=3"], (64, 64, 64)),
        (["model.width=8"], (8,)),
        (["model.depth=2", "model.width=8"], (8, 8)),
        (["model.hidden=[4,3]"], (4, 3)),
        (["model.hidden=null", "model.depth=2"], (64, 64)),
    ],
)
def test_equal_layers_may_be_given_by_depth_and_width(compose, words, hidden):
    assert parse_point(compose(*words)).model.hidden == hidden


@pytest.mark.parametrize("word", ["model.depth=1", "model.width=64"])
def test_layers_are_given_in_one_way(compose, word):
    name = word.partition("=")[0]
    with pytest.raises(ConfigError, match=f"^{name}=.*: model.hidden is given as well"):
        parse_point(compose("model.hidden=[4]", word))


def test_what_an_activation_brings_along_counts_only_where_its_own_start_is_asked_for(compose):
    own = parse_point(compose("activation=selu", "model.init=own"))
    assert (own.model.init, own.activation.init) == ("own", "lecun")
    assert flat_settings(own)["activation.init"] == "lecun"
    by_hand = parse_point(compose("activation=selu", "model.init=lecun"))
    assert (by_hand.model.init, by_hand.activation.init) == ("lecun", None)
    assert "activation.init" not in flat_settings(by_hand)


def test_flat_settings_have_the_names_of_the_command_line(compose):
    flat = flat_settings(parse_point(compose("activation=elu", "data=mnist", "seed=0")))
    assert flat == {
        "activation": "elu",
        "data": "mnist",
        "study": "quickstart",
        "activation.function._target_": "torch.nn.ELU",
        "activation.function.alpha": 1.0,
        "activation.batch_norm": False,
        "lr": 0.01,
        "seed": 0,
        "data.root": "data",
        "data.validation": 0,
        "data.test": True,
        "data.train_size": None,
        "data.scale": "unit",
        "data.noise": 0.0,
        "model.hidden": [64],
        "model.init": "he",
        "model.init_std": None,
        "train.epochs": 50,
        "train.batch_size": 100,
        "train.reduction": "sum",
        "train.momentum": 0.0,
        "train.weight_decay": 0.0,
        "train.optimizer": "sgd",
        "train.schedule": "constant",
        "train.clip_norm": None,
        "train.loss": "cross_entropy",
        "train.metric": None,
        "trajectory.every": 5,
        "trajectory.probe_every": 50,
        "outcome.learned_from": 0.5,
    }


def test_a_point_cannot_be_changed():
    with pytest.raises(AttributeError):
        make_point().lr = 1.0  # type: ignore[misc]


# Tracking


def test_tracking_may_have_an_address_or_none(compose, monkeypatch):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    assert parse_tracking(compose()) == Tracking(None)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://tracking.example:5000")
    assert parse_tracking(compose()) == Tracking("http://tracking.example:5000")
    assert parse_tracking(compose("tracking=server")) == Tracking("http://tracking.example:5000")


@pytest.mark.parametrize("where", ["local", "server"])
def test_what_runs_carry_beside_is_a_matter_of_tracking_and_of_no_point(
    compose, monkeypatch, where
):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://tracking.example:5000")
    plain, asking = (
        compose(f"tracking={where}", *words) for words in ([], ["tracking.model=true"])
    )
    assert (parse_tracking(plain).extras, parse_tracking(asking).extras) == (
        Extras(model=False, plotly=False),
        Extras(model=True, plotly=False),
    )
    assert parse_tracking(compose("tracking.plotly=true")).extras == Extras(plotly=True)
    assert parse_point(plain) == parse_point(asking)


@pytest.mark.parametrize("setting", ["model", "plotly"])
def test_what_runs_carry_beside_is_asked_for_by_yes_or_no(good, setting):
    with pytest.raises(ConfigError, match=rf"tracking\.{setting}='much': must be true or false"):
        parse_tracking(with_setting(good, f"tracking.{setting}", "much"))


def test_a_server_without_an_address_is_refused(compose, monkeypatch):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    with pytest.raises(ConfigError, match=r"^tracking\.uri: .*MLFLOW_TRACKING_URI"):
        parse_tracking(compose("tracking=server"))


def test_a_wrong_address_is_refused(good):
    with pytest.raises(ConfigError, match=r"^tracking\.uri='': must have at least 1 character\.$"):
        parse_tracking(with_setting(good, "tracking.uri", ""))


# A user's own network and data

OWN_MODEL = {"_target_": "my.net.Small", "channels": [4, 8], "norm": True}
OWN_DATA = {"_target_": "my.data.load", "path": "x.npz", "validation": 0.1}


def test_a_network_and_data_of_ones_own_are_a_path_and_its_arguments(good):
    point = parse_point(with_setting(with_setting(good, "model", OWN_MODEL), "data", OWN_DATA))
    assert point.model == OwnNetwork("my.net.Small", (("channels", (4, 8)), ("norm", True)))
    assert point.data == DataSource("my.data.load", validation=0.1, arguments=(("path", "x.npz"),))
    assert parse_point(OmegaConf.create(nested_settings(point))) == point
    flat = flat_settings(point)
    assert (flat["data"], flat["data.path"]) == ("my.data.load", "x.npz")
    assert (flat["model._target_"], flat["model.channels"]) == ("my.net.Small", [4, 8])


@pytest.mark.parametrize(
    ("part", "settings", "message"),
    [
        (
            "model",
            {"_target_": "Small"},
            (
                "model._target_='Small': must be the import path of a class, like "
                "my_project.net.SmallCNN."
            ),
        ),
        ("model", {"_target_": 3}, "model.path=3: must be a text."),
        (
            "data",
            {"_target_": "digits"},
            "data._target_=digits: must be an import path. Give data.name=digits.",
        ),
        (
            "data",
            {"name": "digit"},
            (
                "data.name='digit': must be one of digits, mnist, fashion_mnist, kmnist, "
                "cifar10, mnist1d, or the import path of a function of yours, like "
                "my_project.data.load."
            ),
        ),
        (
            "data",
            {"name": "cifar10", "noise": 0.5},
            "data.noise=0.5: cifar10 has no background. Use 0.",
        ),
        (
            "data",
            {**OWN_DATA, "noise": 0.5},
            "data.noise=0.5: my.data.load has no background. Use 0.",
        ),
        (
            "train",
            {"epochs": 1, "optimizer": "adam"},
            (
                "train.optimizer=adam: the built-in network trains by plain SGD. Choose a network "
                "of your own, like model=lenet."
            ),
        ),
        (
            "train",
            {"epochs": 1, "loss": "mse"},
            (
                "train.loss=mse: the built-in network predicts classes. Choose a network of your "
                "own, like model=autoencoder."
            ),
        ),
        (
            "train",
            {"epochs": 1, "metric": "rmse"},
            ("train.metric=rmse: is not one of train.loss=cross_entropy. Choose accuracy."),
        ),
        (
            "train",
            {"epochs": 1, "optimizer": "adam", "momentum": 0.9},
            "train.momentum=0.9: adam has its own. Use 0.",
        ),
    ],
)
def test_wrong_settings_of_ones_own_parts_are_refused(good, part, settings, message):
    assert refusal(with_setting(good, part, settings)) == message


def test_a_network_of_ones_own_has_its_own_batch_normalisation(good):
    normed = with_setting(good, "activation.batch_norm", value=True)
    assert refusal(with_setting(normed, "model", OWN_MODEL)) == (
        "activation=relu: brings batch normalisation, which a network of your own contains itself. "
        "Choose others, like activation=relu,elu."
    )
