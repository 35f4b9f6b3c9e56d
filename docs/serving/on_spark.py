"""Score a folder of parquet files on Spark.

spark-submit on_spark.py model.safetensors sequences/ scores/
"""

import sys
from collections.abc import Iterator

import pyarrow
from pyspark.sql import SparkSession

from sklstm import BatchScorer


def score(spark: SparkSession, model: str, sequences: str, scores: str) -> None:
    """On the executors, one batch of Arrow after another."""
    scorer = BatchScorer(model, method="predict_proba", keep=["id"])

    def score_blocks(blocks: Iterator[pyarrow.RecordBatch]) -> Iterator[pyarrow.RecordBatch]:
        return map(scorer, blocks)

    columns = ["id long", *(f"`predict_proba_{c}` double" for c in scorer.model.classes_)]
    scored = spark.read.parquet(sequences).mapInArrow(score_blocks, schema=", ".join(columns))
    scored.write.parquet(scores)


if __name__ == "__main__":
    score(SparkSession.builder.getOrCreate(), *sys.argv[1:])
