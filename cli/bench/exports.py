"""Large exports for measuring: as long as wanted, in the forms of ChatGPT, Telegram and WhatsApp, with the words that people use.

The texts are drawn from the labelled lines, several at a time where an assistant answers. The same seed gives the same file.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path

LABELLED = Path(__file__).parent / "labelled"
PEOPLE = ("Maya Lindqvist", "Tom", "Inés Ferrer", "Oskar W.", "Priya N.", "João")
BEGAN = datetime(2022, 1, 3, 8)
LINES = (1, 1, 2, 3, 4, 4)  # labelled lines of a message, so that it has about 100 characters
IDLE, TELLING = ("no", "neu"), 0.2  # labels of lines that say nothing of note, and the share of the others
PAUSES = (20,) * 12 + (60,) * 10 + (200,) * 8 + (900,) * 6 + (9_000,) * 3 + (40_000,)  # seconds between two messages
TALK = 40  # messages of a conversation with an assistant


def write(file: Path, format: str, size: int, seed: int = 1) -> int:
    """Writes an export of about so many bytes. Returns the number of messages."""
    return FORMATS[format](file, size, random.Random(seed))


def texts(chance: random.Random) -> Iterator[str]:
    """English lines, over and over, each a little different. One in five says something that is looked for."""
    rows = [
        row.partition("\t")
        for path in sorted((LABELLED / "en").glob("*.tsv"))
        for row in path.read_text(encoding="utf-8").splitlines()
    ]
    telling = [text for label, _, text in rows if label not in IDLE]
    idle = [text for label, _, text in rows if label in IDLE]
    while True:
        line = chance.choice(telling if chance.random() < TELLING else idle)
        yield line if chance.random() < 0.7 else f"{line} {chance.randrange(2, 900)}"


def whatsapp(file: Path, size: int, chance: random.Random) -> int:
    at, n, said = BEGAN, 0, texts(chance)
    with file.open("w", encoding="utf-8") as out:
        while out.tell() < size if n % 1_000 == 0 else True:
            at += timedelta(seconds=chance.choice(PAUSES))
            text = " ".join(next(said) for _ in range(chance.choice(LINES)))
            out.write(f"{at:%d/%m/%Y, %H:%M} - {chance.choice(PEOPLE)}: {text}\n")
            n += 1
    return n


def telegram(file: Path, size: int, chance: random.Random) -> int:
    at, n, said = BEGAN, 0, texts(chance)
    with file.open("w", encoding="utf-8") as out:
        out.write('{"name": "Bakery", "type": "private_group", "id": 77, "messages": [\n')
        while out.tell() < size if n % 1_000 == 0 else True:
            at += timedelta(seconds=chance.choice(PAUSES))
            who = chance.randrange(len(PEOPLE))
            text = " ".join(next(said) for _ in range(chance.choice(LINES)))
            message = {
                "id": n, "type": "message", "date": at.isoformat(), "date_unixtime": str(int(at.timestamp())), "from": PEOPLE[who],
                "from_id": f"user{who}", "text": text, "text_entities": [{"type": "plain", "text": text}],
            }  # fmt: skip
            out.write((",\n" if n else "") + json.dumps(message, ensure_ascii=False))
            n += 1
        out.write("\n]}\n")
    return n


def chatgpt(file: Path, size: int, chance: random.Random) -> int:
    at, n, said = BEGAN, 0, texts(chance)
    with file.open("w", encoding="utf-8") as out:
        out.write("[")
        while out.tell() < size:
            at += timedelta(hours=chance.randrange(1, 60))
            out.write((",\n" if n else "") + json.dumps(_conversation(at, n, chance, said), ensure_ascii=False))
            n += TALK
        out.write("]\n")
    return n


def _conversation(at: datetime, n: int, chance: random.Random, said: Iterator[str]) -> dict[str, object]:
    root = f"r{n}"
    mapping: dict[str, object] = {root: {"id": root, "message": None, "parent": None, "children": [f"m{n}"]}}
    for k in range(n, n + TALK):
        asks = k % 2 == 0
        text = next(said) if asks else " ".join(next(said) for _ in range(chance.randrange(8, 40)))
        role = "user" if asks else "assistant"
        message = {
            "id": f"m{k}", "author": {"role": role, "metadata": {}}, "create_time": at.timestamp() + 60 * (k - n), "status": "finished_successfully",
            "content": {"content_type": "text", "parts": [text]}, "weight": 1.0, "recipient": "all", "metadata": {},
        }  # fmt: skip
        parent = root if k == n else f"m{k - 1}"
        mapping[f"m{k}"] = {
            "id": f"m{k}",
            "message": message,
            "parent": parent,
            "children": [f"m{k + 1}"] if k < n + TALK - 1 else [],
        }
    return {
        "title": next(said), "create_time": at.timestamp(), "update_time": at.timestamp(), "mapping": mapping, "current_node": f"m{n + TALK - 1}",
        "conversation_id": root, "id": root,
    }  # fmt: skip


FORMATS: dict[str, Callable[[Path, int, random.Random], int]] = {
    "chatgpt": chatgpt,
    "telegram": telegram,
    "whatsapp": whatsapp,
}
