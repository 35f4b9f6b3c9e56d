"""Training and predicting on a GPU: ``make bench-gpu``, or ``python -m benchmarks.gpu``.

All contestants have the data on the GPU. Ratios are of times that were taken in one run.
"""
