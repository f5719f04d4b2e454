"""Benchmarks: `make bench`, or `python -m benchmarks`. They run side by side and write their figures to `results/`.

Absolute figures need a quiet machine. The arms take turns in every round, so ratios are valid on a busy machine too, as
long as the load is the same for all of them.
"""
