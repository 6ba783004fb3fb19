"""Hydra's part of `actscope plan`: the compositions that quickstart needs, and nothing else."""

from hydra import compose, initialize_config_dir

from actscope.project import CONF

# Hydra composes once for its mode and once for what all points share.
OF_ALL: tuple[list[str], ...] = ([], [])
OF_ACTIVATIONS = [
    [f"activation={name}"] for name in ("relu", "leaky_relu", "elu", "selu", "bn_relu")
]

if __name__ == "__main__":
    with initialize_config_dir(str(CONF), version_base=None):
        for words in (*OF_ALL, *OF_ACTIVATIONS):
            compose("config", words)
