"""Score a folder of parquet files on Ray.

python on_ray.py model.safetensors sequences/ scores/
"""

import sys

import ray

from sklstm import BatchScorer


def score(model: str, sequences: str, scores: str) -> None:
    """On all cores of the cluster, a task of one core for each block."""
    scorer = BatchScorer(model, method="predict_proba", keep=["id"])
    blocks = ray.data.read_parquet(sequences)
    scored = blocks.map_batches(scorer, batch_format="pyarrow", batch_size=8192)
    scored.write_parquet(scores)


if __name__ == "__main__":
    # The cluster that RAY_ADDRESS names, or one of this machine.
    ray.init()
    score(*sys.argv[1:])
