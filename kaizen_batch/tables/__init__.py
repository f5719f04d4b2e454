"""Python values as text, as JSON and as Arrow arrays, and the rows of DataFrames."""
