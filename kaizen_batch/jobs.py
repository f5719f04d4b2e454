"""A batch from file to file: rows in, prompts, answers beside the rows, the failed ones apart."""
