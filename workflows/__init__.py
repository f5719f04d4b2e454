"""Ready-made workflows to run and to copy: `python -m kaizen_batch.workflows.<name> --help`."""
