"""Memory and time of scoring short sequences from a parquet file, block by block.

    python -m benchmarks.scoring --sequences 10000000

A small network, so that reading weighs something. The scoring runs in a new process, whose peak
resident memory is reported beside what it had taken when the model was loaded. Linux only.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pyarrow as pa
from pyarrow import parquet

from sklstm import LSTMSequenceClassifier, save_model

ROOT = Path(__file__).parents[1]
# As writers of parquet do by default.
ROW_GROUP = 1_000_000

SCORE = """
import json, sys, time
from pathlib import Path
from sklstm import BatchScorer, predict_batches

def peak():
    # Not getrusage, which counts what the process that started this one had.
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) * 1024 / 1e6

model, data = sys.argv[1:]
scorer = BatchScorer(model)
loaded, begin, n = peak(), time.perf_counter(), 0
for block in predict_batches(model, data, method="predict_proba"):
    n += len(block)
seconds = time.perf_counter() - begin
print(json.dumps({"sequences": n, "loaded": loaded, "peak": peak(), "seconds": seconds}))
"""


def write_sequences(path: Path, n_sequences: int, *, seed: int = 0) -> None:
    """Parquet with a column of lists of 5 to 15 float32 numbers, and one of ids."""
    rng = np.random.default_rng(seed)
    schema = pa.schema([("id", pa.int64()), ("x", pa.list_(pa.float32()))])
    with parquet.ParquetWriter(path, schema) as writer:
        for start in range(0, n_sequences, ROW_GROUP):
            n = min(ROW_GROUP, n_sequences - start)
            offsets = np.concatenate([[0], np.cumsum(rng.integers(5, 16, n))])
            values = rng.normal(size=offsets[-1]).astype(np.float32)
            lists = pa.ListArray.from_arrays(offsets.astype(np.int32), values)
            table = pa.table({"id": np.arange(start, start + n), "x": lists}, schema=schema)
            writer.write_table(table, row_group_size=ROW_GROUP)


def write_model(path: Path) -> None:
    """A small network: 4 units, no convolutions."""
    rng = np.random.default_rng(0)
    X = [rng.normal(size=rng.integers(5, 16)) for _ in range(200)]
    y = [x.mean() > 0 for x in X]
    small = {"n_kernels": 0, "conv_filters": (), "patch_size": 8, "bidirectional": False}
    save_model(LSTMSequenceClassifier(4, **small, max_epochs=2, random_state=0).fit(X, y), path)


def measure(n_sequences: int) -> dict[str, float]:
    """Number of sequences, MB when the model was loaded, MB at the peak, seconds."""
    with TemporaryDirectory() as folder:
        model, data = Path(folder) / "model.safetensors", Path(folder) / "x.parquet"
        write_model(model)
        write_sequences(data, n_sequences)
        command = [sys.executable, "-c", SCORE, str(model), str(data)]
        result = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT)
    figures: dict[str, float] = json.loads(result.stdout)
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--sequences", type=int, default=1_000_000)
    figures = measure(parser.parse_args().sequences)
    print(
        f"{figures['sequences']:,} sequences in {figures['seconds']:.0f} s; {figures['loaded']:.0f}"
        f" MB with the model loaded, {figures['peak']:.0f} MB at the peak"
    )


if __name__ == "__main__":
    main()
