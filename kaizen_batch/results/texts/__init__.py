"""Words for people: how numbers are written, what may go to a terminal, and what a summary says."""
