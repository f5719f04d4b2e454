"""A run's report: one HTML file, made from its journal."""
