"""Composes the configurations of a multirun's jobs, faster than one by one."""

import pickle
from collections.abc import Sequence
from functools import cache

from hydra.core.config_loader import ConfigLoader
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.errors import ConfigCompositionException
from omegaconf import DictConfig, OmegaConf, open_dict
from omegaconf.errors import OmegaConfBaseException


def compose_all(
    loader: ConfigLoader, master: DictConfig, job_overrides: Sequence[Sequence[str]]
) -> list[DictConfig]:
    """Compose each job's configuration, without its `hydra` node.

    Jobs that differ only in plain values share one composition; the values are set on copies. Hydra
    applies such values last too, so the result is the same.

    Raises:
        ConfigCompositionException: an override names an unknown setting or has the wrong type, or
            a choice that differs between jobs sets Hydra's launcher or sweeper.

    """
    parser = OverridesParser.create(config_loader=loader)
    bases: dict[tuple[str, ...], bytes] = {}  # pickled: loading takes a tenth of copying

    @cache
    def parse(override: str) -> Override:
        return parser.parse_override(override)

    @cache
    def is_group(key: str) -> bool:
        return bool(loader.get_group_options(key))

    def is_value(override: Override) -> bool:
        return _has_plain_key(override) and not is_group(override.key_or_group)

    configs = []
    for words in job_overrides:
        overrides = [parse(word) for word in words]
        values = [override for override in overrides if is_value(override)]
        # The key of a value is part of the shape: the composition must have it.
        shape = tuple(
            override.key_or_group if is_value(override) else str(override.input_line)
            for override in overrides
        )
        if shape not in bases:
            bases[shape] = pickle.dumps(_compose(loader, master, words))
        config = pickle.loads(bases[shape])  # noqa: S301 - our own bytes
        for override in values:
            _set(config, override)
        configs.append(config)
    return configs


def _has_plain_key(override: Override) -> bool:
    """Whether an override neither adds nor deletes a key, nor names a package."""
    changes_keys = override.is_add() or override.is_force_add() or override.is_delete()
    return not changes_keys and override.package is None


def _compose(loader: ConfigLoader, master: DictConfig, words: Sequence[str]) -> DictConfig:
    config = loader.load_sweep_config(master, list(words))
    for part in ("launcher", "sweeper"):
        if config.hydra[part] != master.hydra[part]:
            raise ConfigCompositionException(_too_late(loader, master, words, part))
    with open_dict(config):
        del config["hydra"]
    return config


def _too_late(loader: ConfigLoader, master: DictConfig, words: Sequence[str], part: str) -> str:
    """The error for a choice that sets a part of Hydra's configuration that all jobs share."""
    for word in words:
        if loader.load_sweep_config(master, [word]).hydra[part] != master.hydra[part]:
            break
    return (
        f"{word}: sets hydra.{part}, which cannot differ within a sweep. Start one sweep for each "
        f"value, with {word}"
    )


def _set(config: DictConfig, override: Override) -> None:
    try:
        OmegaConf.update(config, override.key_or_group, override.value(), merge=True)
    except OmegaConfBaseException as error:
        raise ConfigCompositionException(f"{override.input_line}: {error.msg}") from error
