"""The engine: carries the items of one run from input to result."""
