"""The commands of `kaizen-batch`, one module each."""
