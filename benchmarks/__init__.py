"""Benchmarks: `make bench`, or `python -m benchmarks`, side by side in one run; figures as JSON in `results/`.

The final figures want a quiet machine. Arms take turns in every round, so that ratios hold on a busy one too, as long
as what makes it busy is the same for all.
"""
