"""Rows from files and into files: JSONL, CSV, TSV, Parquet, compressed too; streamed both ways."""
