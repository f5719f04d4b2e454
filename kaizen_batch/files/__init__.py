"""Rows from files and into files, streamed both ways: text, Arrow tables, spreadsheets, documents."""

from kaizen_batch.files.names import FORMATS
from kaizen_batch.files.reader import Records, open_records
from kaizen_batch.files.writer import RecordWriter, record_writer

__all__ = ["FORMATS", "RecordWriter", "Records", "open_records", "record_writer"]
