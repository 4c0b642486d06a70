"""Exports that atheris makes up, for as long as one likes: each is analysed or refused with a sentence.

pip install atheris, beside what Soulfra needs, then

    python -m tests.fuzz <a folder for what it finds worth keeping> -max_len=20000 -timeout=60 -max_total_time=3600

The first byte of an input names the format, or none, so that it is recognised; the others are the file.
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path

import atheris  # type: ignore[import-not-found]

with atheris.instrument_imports(include=["soulfra"]):
    from soulfra.analysis import analyse, encoded
    from soulfra.chat import Unreadable, formats

from tests.test_hostile import DOCUMENTS, LINES, TEXTS

NAMES = sorted(formats())


def fuzz(room: Path, data: bytes) -> None:
    if not data:
        return
    number = data[0] % (2 * len(NAMES))
    file = room / "export"
    file.write_bytes(data[1:])
    try:
        encoded(analyse(file, workspace=room, format=NAMES[number] if number < len(NAMES) else None))
    except Unreadable as sentence:
        assert sentence.reason


def plant(corpus: Path) -> None:
    """Good exports to begin with."""
    corpus.mkdir(parents=True, exist_ok=True)
    texts = [(name, text.encode()) for name, text in TEXTS.items()]
    texts += [(name, json.dumps(document).encode()) for name, document in DOCUMENTS.items()]
    texts += [(name, "\n".join(map(json.dumps, lines)).encode()) for name, lines in LINES.items()]
    for name, content in texts:
        (corpus / f"good-{name}").write_bytes(bytes([NAMES.index(name)]) + content)


def main() -> None:
    plant(Path(sys.argv[1]))
    with tempfile.TemporaryDirectory() as folder:
        atheris.Setup(sys.argv, lambda data: fuzz(Path(folder), data))
        atheris.Fuzz()


if __name__ == "__main__":
    main()
