"""Score a folder of parquet files on Dask.

python on_dask.py model.safetensors sequences/ scores/
"""

import sys

import dask.dataframe as dd
from dask.distributed import Client, LocalCluster

from sklstm import BatchScorer


def score(model: str, sequences: str, scores: str) -> None:
    """On the workers of the current client, one partition after another."""
    frame = dd.read_parquet(sequences)
    scorer = BatchScorer(model, method="predict_proba", keep=["id"])
    # A block without rows tells Dask the columns of the result.
    scored = frame.map_partitions(scorer, meta=scorer(frame.head(0)))
    scored.to_parquet(scores)


if __name__ == "__main__":
    # One process for each core; Client("tcp://...") for a cluster that is there already.
    with LocalCluster(threads_per_worker=1) as cluster, Client(cluster):
        score(*sys.argv[1:])
