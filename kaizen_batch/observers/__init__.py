"""Sinks for the events of a run: logs, progress and telemetry."""
