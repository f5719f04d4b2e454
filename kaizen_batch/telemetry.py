"""Traces and metrics of a run, over OpenTelemetry."""
