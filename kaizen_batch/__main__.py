"""`python -m kaizen_batch`: the same as the command `kaizen-batch`."""

from kaizen_batch.commands.main import main

main(prog_name="kaizen-batch")
