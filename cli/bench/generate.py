"""Exports of any size, with the vocabulary of the shipped sample: its conversations over and over under new ids."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any


def chatgpt(to: Path, size: int) -> Path:
    """A ChatGPT export of at least `size` bytes, written as it goes."""
    import soulfra

    sample = json.loads((Path(soulfra.__file__).parent / "samples" / "sample-chatgpt.json").read_text())
    written = 0
    with to.open("w") as out:
        out.write("[")
        for n, conversation in enumerate(itertools.cycle(sample)):
            text = json.dumps(_renamed(conversation, n), separators=(",", ":"))
            written += out.write(("," if n else "") + text)
            if written >= size:
                break
        out.write("]")
    return to


def _renamed(conversation: dict[str, Any], n: int) -> dict[str, Any]:
    """The same talk as another conversation."""
    return conversation | {"id": f"{n}", "conversation_id": f"{n}", "title": f"{conversation.get('title')} {n}"}
