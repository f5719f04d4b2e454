"""What a run shows while it goes on: sinks for a terminal, a log, a notebook."""
