"""Rows on a terminal: printable, whole, and unchanged otherwise."""

import io

from kaizen_batch.files.terminal import PrintableStream


def test_control_characters_become_escapes_and_characters_in_two_parts_stay_whole() -> None:
    terminal = io.BytesIO()
    stream = PrintableStream(terminal)
    data = "ü,\x1b[2J\r\nnext\n".encode()
    for place in range(len(data)):
        assert stream.write(data[place : place + 1]) == 1
    stream.flush()
    assert terminal.getvalue().decode() == "ü,\\u001b[2J\nnext\n"
