"""Exports that are broken, absurd or made to hurt: read as far as they can be, or refused with a sentence, and never slow."""

from __future__ import annotations

import copy
import io
import json
import random
import resource
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cli.bench import exports
from soulfra.analysis import Analysis, analyse, encoded
from soulfra.chat import Unreadable, formats
from tests.test_formats import FORKED
from tests.test_more_formats import DISCORD, GEMINI, TELEGRAM

TIMES = 10  # as long as good input of the same size may take
SLOWEST = 1.0  # seconds below which nothing is slow
CLAUDE = [{"uuid": "c", "name": "", "chat_messages": [
    {"uuid": "1", "text": "hi", "content": [{"type": "text", "text": "hi"}], "sender": "human", "created_at": "2025-01-01T10:00:00Z"},
    {"uuid": "2", "text": "hello", "content": [{"type": "thinking", "thinking": "hm"}, {"type": "text", "text": "hello"}],
     "sender": "assistant", "created_at": "2025-01-01T10:00:01Z"},
]}]  # fmt: skip
GROK = {"conversations": [{"conversation": {"id": "x"}, "responses": [
    {"response": {"_id": "a", "message": "hi", "sender": "human", "create_time": {"$date": {"$numberLong": "1717236000000"}}}},
    {"response": {"_id": "b", "message": "hello", "sender": "ASSISTANT", "create_time": "2024-06-01T10:00:01.5Z"}},
]}]}  # fmt: skip
STUDIO = {
    "runSettings": {},
    "chunkedPrompt": {"chunks": [{"text": "hi", "role": "user"}, {"text": "hello", "role": "model"}]},
}
CODE = [
    {"type": "user", "sessionId": "s", "uuid": "1", "timestamp": "2025-01-01T10:00:00.000Z", "message": {"role": "user", "content": "fix it"}},
    {"type": "assistant", "sessionId": "s", "uuid": "2", "timestamp": "2025-01-01T10:00:05.000Z",
     "message": {"content": [{"type": "text", "text": "done"}, {"type": "tool_use", "name": "edit", "input": {}}]}},
]  # fmt: skip
TUNING = [
    {
        "messages": [
            {"role": "user", "content": "hi"},
            {"role": "assistant", "content": [{"type": "text", "text": "hello"}]},
        ]
    }
]
SHARE = [{"id": "a", "conversations": [{"from": "human", "value": "hi"}, {"from": "gpt", "value": "hello"}]}]
ROWS = [
    {"author": {"name": "Ann"}, "text": "hi", "timestamp": 1717236000000},
    {"sender": "Bo", "body": "ho", "date": "2024-06-01"},
]
SLACK = [
    {"type": "message", "user": "U1", "text": "hi <@U2>", "ts": "1700000000.000100"},
    {"type": "message", "user": "U2", "text": "ho", "ts": "1700000001.000100", "thread_ts": "1700000000.000100"},
]
DOCUMENTS: dict[str, Any] = {
    "chatgpt": [FORKED], "claude": CLAUDE, "telegram": TELEGRAM, "discord": DISCORD, "gemini": GEMINI, "grok": GROK,
    "aistudio": STUDIO, "sharegpt": SHARE, "json": ROWS, "slack": SLACK,
}  # fmt: skip
LINES: dict[str, list[Any]] = {"claude-code": CODE, "openai-jsonl": TUNING, "jsonl": ROWS, "sharegpt": SHARE}
TEXTS = {
    "whatsapp": "[20/02/2025, 10:00:00] Ann: hi\n[20/02/2025, 10:01:00] Bo: ho\nand more\n[20/02/2025, 10:02:00] Ann: bye\n",
    "signal": "[2019-12-24, 12:23] Jane Doe: Hello John!\n[2020-01-17, 21:49] John Doe: Hello\nJane!\n",
    "irc": "12:00 <@ann> gr\u00fc\u00df dich\n12:01 <bo> sch\u00f6n\n12:02 * ann waves\n12:03 *** bo joined #x\n",
    "plain": "Ann: a\nBo: b\nand more\nAnn: c\nBo: d\nAnn: e\nBo: f\n",
    "csv": "Date,Sender,Message\n2024-01-01 10:00,Ann,one\n2024-01-01 10:01,Bo,\"two\nlines\"\n",
    "discord": 'AuthorID,Author,Date,Content,Attachments,Reactions\n"11","ann","2024-01-15T10:31:00+00:00","hi","",""\n',
}  # fmt: skip
JUNK: list[Any] = [
    None, True, 0, -1, 1e308, 2**63, 10**30, "", "\x00", "\ud800", "\u202e", "a" * 3_000, "9999-99-99T99:99:99Z", "[", [], {}, [[]], {"": {}},
    "0001-01-01T00:00:00+14:00", "-1", "1e5", ["x", None], {"type": "text"}, "2024-01-01T00:00:00.123456789Z",
]  # fmt: skip


def told(folder: Path, content: bytes, format: str | None = None) -> Analysis | Unreadable:
    """What comes of a file; anything else than an analysis or a sentence is raised."""
    file = folder / "export"
    file.write_bytes(content)
    try:
        found = analyse(file, workspace=folder, format=format, limit=64 * 1024 * 1024)
    except Unreadable as sentence:
        assert sentence.reason
        return sentence
    encoded(found)
    return found


@pytest.fixture(scope="module")
def room(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("hostile")


def places(document: Any) -> Iterator[tuple[Any, Any]]:
    """Every container of a document with one of its keys."""
    if isinstance(document, dict | list):
        for key in list(document) if isinstance(document, dict) else range(len(document)):
            yield document, key
            yield from places(document[key])


def spoiled(document: Any, chance: random.Random) -> Any:
    """With some values changed, gone, or there twice."""
    made = copy.deepcopy(document)
    for _ in range(chance.randrange(1, 5)):
        there = list(places(made))
        if not there:
            return made
        holder, key = chance.choice(there)
        match chance.randrange(5):
            case 0:
                del holder[key]
            case 1 if isinstance(holder, list):
                holder.insert(key, copy.deepcopy(holder[key]))
            case 2 if isinstance(holder, dict):
                holder[chance.choice(["", "x" * 200, "\ud800", "id", "text"])] = holder.pop(key)
            case 3:
                holder[key] = copy.deepcopy(chance.choice(there)[0])
            case _:
                holder[key] = copy.deepcopy(chance.choice(JUNK))
    return made


def torn(content: bytes, chance: random.Random) -> bytes:
    """With some bytes changed, cut off or doubled."""
    made = bytearray(content)
    for _ in range(chance.randrange(1, 6)):
        at = chance.randrange(len(made) + 1)
        match chance.randrange(4):
            case 0:
                made[at:at] = chance.choice(
                    [
                        b"\x00",
                        b"\xff",
                        b"\xed\xa0\x80",
                        b"\n",
                        b"\r",
                        b":",
                        b"[",
                        b'"',
                        "\u200e".encode(),
                        b"31/31/9999, ",
                    ]
                )
            case 1:
                del made[at : at + chance.randrange(1, 20)]
            case 2:
                made[at:at] = made[max(0, at - 40) : at]
            case _:
                made = made[: max(at, 1)]
    return bytes(made)


FUZZED = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@FUZZED
@given(seed=st.integers(0, 2**32), forced=st.booleans())
@pytest.mark.parametrize("format", DOCUMENTS)
def test_any_spoiled_document_is_read_or_refused(room: Path, format: str, seed: int, forced: bool) -> None:
    chance = random.Random(seed)
    written = json.dumps(spoiled(DOCUMENTS[format], chance)).encode("utf-8", "surrogatepass")
    told(room, written if chance.random() < 0.8 else torn(written, chance), format if forced else None)


@FUZZED
@given(seed=st.integers(0, 2**32), forced=st.booleans())
@pytest.mark.parametrize("format", LINES)
def test_any_spoiled_lines_are_read_or_refused(room: Path, format: str, seed: int, forced: bool) -> None:
    chance = random.Random(seed)
    written = b"\n".join(json.dumps(spoiled(row, chance)).encode() for row in LINES[format] * 3)
    told(room, written if chance.random() < 0.8 else torn(written, chance), format if forced else None)


@FUZZED
@given(seed=st.integers(0, 2**32), forced=st.booleans())
@pytest.mark.parametrize("format", TEXTS)
def test_any_torn_text_is_read_or_refused(room: Path, format: str, seed: int, forced: bool) -> None:
    chance = random.Random(seed)
    told(room, torn(TEXTS[format].encode() * 2, chance), format if forced else None)


@FUZZED
@given(seed=st.integers(0, 2**32))
def test_any_spoiled_zip_is_read_or_refused(room: Path, seed: int) -> None:
    chance, made = random.Random(seed), io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(
            "users.json", json.dumps(spoiled([{"id": "U1", "name": "ann", "profile": {"real_name": "Ann"}}], chance))
        )
        archive.writestr("channels.json", json.dumps(spoiled([{"id": "C1", "name": "general"}], chance)))
        archive.writestr("general/2023-11-14.json", json.dumps(spoiled(SLACK, chance)))
    told(room, made.getvalue() if chance.random() < 0.5 else torn(made.getvalue(), chance))


def test_every_format_is_fuzzed() -> None:
    assert {*DOCUMENTS, *LINES, *TEXTS} == {*formats()}


# What is absurd


def whatsapp(rows: Iterator[str]) -> bytes:
    return "".join(f"{row}\n" for row in rows).encode("utf-8", "surrogatepass")


def at(n: int) -> str:
    return f"{n // 86_400 % 28 + 1:02}/{n // 2_419_200 % 12 + 1:02}/2023, {n // 3_600 % 24:02}:{n // 60 % 60:02}"


SIZE = 4_000_000
HOSTILE: dict[str, Callable[[], bytes]] = {
    "lines that look like headers": lambda: whatsapp(
        f"{at(n * 60)} - Ann: look\n{at(0)[:10].replace('2023', '1850')}, 10:00 - Eve: not me" for n in range(SIZE // 80)
    ),
    "one message of many lines": lambda: b"01/01/2023, 10:00 - Ann: hi\n" + b"more of the same\n" * (SIZE // 17),
    "one long line": lambda: b"01/01/2023, 10:00 - Ann: " + b"word " * (SIZE // 5) + b"\n",
    "one long word": lambda: b"01/01/2023, 10:00 - Ann: " + b"a" * SIZE + b"\n",
    "quotes without end": lambda: whatsapp(f"{at(n * 60)} - Ann: " + "'\"„ " * 100 for n in range(SIZE // 900)),
    "code without end": lambda: whatsapp(f"{at(n * 60)} - Ann: " + "`x` ``` http:// " * 20 for n in range(SIZE // 350)),
    "digits and signs": lambda: whatsapp(f"{at(n * 60)} - Ann: " + "4111 1111-1111 1111 DE89 +49 @ " * 12 for n in range(SIZE // 400)),
    "a new person each time": lambda: whatsapp(f"{at(n * 60)} - P{n}: hello there, is it on?" for n in range(100_000)),
    "a new word each time": lambda: whatsapp(f"{at(n * 60)} - Ann: word{n:x}qx other{n:x}zy third{n:o}" for n in range(SIZE // 60)),
    "times that jump": lambda: whatsapp(f"{at(n * 60)[:6]}{2023 - 30 * (n % 2)}, 10:00 - Ann: when" for n in range(SIZE // 35)),
    "NUL bytes": lambda: whatsapp(f"{at(n * 60)} - Ann: a\0b{chr(0) * 50}" for n in range(SIZE // 80)),
    "right-to-left marks": lambda: whatsapp(f"\u200e{at(n * 60)} - \u202eAnn\u202c: \u2067שלום\u2069 {chr(0x202E) * 20}" for n in range(SIZE // 130)),
    "lone surrogates": lambda: whatsapp(f"{at(n * 60)} - Ann: \ud83d half \udc00" for n in range(SIZE // 40)),
    "mixed encodings": lambda: b"".join(
        f"{at(n * 60)} - J\u00f6rg: gr\u00fc\u00dfe\n".encode("latin-1" if n % 2 else "utf-8") for n in range(SIZE // 36)
    ),
    "emoji": lambda: whatsapp(f"{at(n * 60)} - 🥐: " + "👩\u200d🚒" * 20 for n in range(SIZE // 250)),
    "nothing but breaks": lambda: b"01/01/2023, 10:00 - Ann: hi\n" + b"\r\n" * (SIZE // 2),
}  # fmt: skip


@pytest.fixture(scope="module")
def pace(room: Path) -> float:
    """Seconds for one byte of a good chat."""
    file = room / "good"
    exports.write(file, "whatsapp", SIZE)
    analyse(file, workspace=room)
    began = time.perf_counter()
    analyse(file, workspace=room)
    return (time.perf_counter() - began) / file.stat().st_size


@pytest.mark.parametrize("name", HOSTILE)
def test_absurd_chats_take_no_longer_than_ten_good_ones(room: Path, pace: float, name: str) -> None:
    content = HOSTILE[name]()
    before, began = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.perf_counter()
    found = told(room, content)
    took = time.perf_counter() - began
    assert isinstance(found, Analysis), found
    assert took < max(SLOWEST, TIMES * pace * len(content)), f"{took:.2f} s for {len(content)} bytes"
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 500 * 1024


def test_what_a_hundred_thousand_people_say_is_counted_and_named_for_ten_thousand(room: Path) -> None:
    found = told(room, HOSTILE["a new person each time"]())
    assert isinstance(found, Analysis)
    assert (found.messages, len(found.participants), found.participants["(others)"]) == (100_000, 10_001, 90_000)


def test_a_message_of_fifty_megabytes_is_one_message(tmp_path: Path) -> None:
    """In a process of its own: its memory is what is measured."""
    file = tmp_path / "export"
    file.write_bytes(b"01/01/2023, 10:00 - Ann: " + b"word " * 10_000_000 + b"\n01/01/2023, 10:01 - Bo: ok\n")
    script = (  # not `ru_maxrss`, which a process inherits from the one that started it
        "import sys; from pathlib import Path; from soulfra.analysis import analyse; "
        "found = analyse(Path(sys.argv[1]), workspace=Path(sys.argv[2])); "
        "peak = next(line.split()[1] for line in open('/proc/self/status') if line.startswith('VmHWM')); "
        "print(found.messages, int(peak) // 1024)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(file), str(tmp_path)], capture_output=True, text=True, check=True
    )
    messages, peak = map(int, done.stdout.split())
    assert messages == 2 and peak < 500 + 50  # the file's own pages
