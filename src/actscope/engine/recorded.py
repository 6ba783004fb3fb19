"""Names of what is recorded of a run, without the code that records it, which needs torch."""

from actscope.metric import METRICS

SPLITS = ["train", "validation", "test"]
LOSS = "loss"
MEASURES = {LOSS: "min"} | {metric.name: metric.direction for metric in METRICS.values()}

TRAJECTORY = ["weight_mean", "bias", "update_norm", "active"]

# Of each unit on the probe set: the share of examples on which the slope is exactly zero, the share
# on which it is negligible, the L2 length of the incoming weights, and the factor of their sum
# (batch normalisation's weight; 1 without it).
PROBE = ["zero", "negligible", "weight_norm", "scale"]
PROBE_SIZE = 1000

# Of each layer on the first examples of the probe set; engine/layer_statistics.py defines them.
LAYER_STATISTICS = ["mean_square", "variance", "cosine", "rank", "gradient", "dead"]
LAYER_EXAMPLES = 128  # they take 3.5 % of the processor time of a training, 256 take 6 %

EVALUATED_AT_ONCE = 1000  # examples: enough to be fast, few enough to stay in the caches
