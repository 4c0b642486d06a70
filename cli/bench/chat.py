"""How fast an analysis is and how much memory it takes, and how good its words are: precision and recall of every cue on
lines that nobody looked at while it was made. Beside it what a user would take instead.

`labelled/<language>/<cue>.learn.tsv` is what is learned from and tuned on, `.held.tsv` is only measured on. Both hold as many
lines that say it as lines that do not, and most of the latter are chosen to mislead; in a real chat, most lines of which say nothing of the kind, precision is lower.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from typing import Any

import msgspec

from cli.bench.exports import FORMATS, LABELLED
from cli.bench.exports import write as write_export
from cli.bench.stream import PEERS_VENV
from cli.bench.table import Row
from cli.errors import Failed
from soulfra.analysis import analyse
from soulfra.words import LANGUAGES, Language
from soulfra.words.language import LEARNED, Cue, Learned, Told, features, folded
from soulfra.words.learning import learned, quality
from streams.analysts import Analysts, Work
from streams.memory import MOST

PRECISION = 0.93  # in the cross-validation, so that held-back lines by other hands come out at 0.85
WANTED = {"friction": 0.91, "good": 0.88, "bad": 0.88}
LESS = {"es": 0.05, "fr": 0.05, "pt": 0.05}  # so much less is enough where one hand wrote most of a cue's lines
BESIDE = {  # cues whose lines are about something else
    "promise": ("friction", "rework", "question"),
    "decision": ("question", "done", "friction", "rework", "opportunity"),
    "done": ("promise", "question", "action", "friction", "rework", "opportunity"),
    "action": ("promise", "decision", "done", "friction"),
    "friction": ("promise", "question", "decision", "action", "done", "opportunity"),
    "opportunity": ("promise", "question", "decision", "action", "done", "friction", "rework"),
}
CUES = ("question", "promise", "decision", "action", "done", "friction", "rework", "opportunity", "good", "bad")
SMALL = 100_000  # bytes of a small export
LONGEST = 3600.0  # seconds of one analysis; none is given up
CORES = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []  # where a system can say
FELT = {"good": "pos", "bad": "neg"}  # cues whose lines are those of the tone, and their label


def lines(language: str, cue: str, half: str) -> list[tuple[str, bool]]:
    """Folded labelled lines, and whether each says it."""
    name, label = ("tone", FELT[cue]) if cue in FELT else (cue, "yes")
    rows = (LABELLED / language / f"{name}.{half}.tsv").read_text(encoding="utf-8").splitlines()
    return [(folded(text), said == label) for said, _, text in (row.partition("\t") for row in rows)]


def others(language: str, cue: str) -> list[str]:
    """Lines about something else than a cue."""
    return [line for name in BESIDE.get(cue, ()) for line, _ in lines(language, name, "learn")]


def measured(cue: Cue, held: list[tuple[str, bool]]) -> tuple[float, float]:
    """Precision and recall."""
    return quality([(cue.score(features(line)), said) for line, said in held], 0.0)


def wanted(language: str, cue: str) -> float:
    """Precision in the cross-validation. Questions are found so often that they can be as sure as in English."""
    return WANTED.get(cue, PRECISION) - (LESS.get(language, 0.0) if cue != "question" else 0.0)


def learn(language: Language) -> dict[str, Learned]:
    """Learns all cues of a language, and notes how they do on the held-back lines."""
    found = {}
    for name in CUES:
        one = learned(lines(language.code, name, "learn"), others(language.code, name), wanted(language.code, name))
        precision, recall = measured(Cue(one), lines(language.code, name, "held"))
        found[name] = one._replace(precision=round(precision, 3), recall=round(recall, 3))
    return found


def write(language: Language) -> None:
    """One line for each feature."""
    found = learn(language)
    weights: dict[str, list[tuple[int, int]]] = {}
    for number, one in enumerate(found.values()):
        for feature, weight in one.weights.items():
            weights.setdefault(feature, []).append((number, weight))
    told = Told({name: one[:3] for name, one in found.items()}, dict(sorted(weights.items())))
    rows = ",\n".join(msgspec.json.encode({one: pairs}).decode()[1:-1] for one, pairs in told.weights.items())
    head = msgspec.json.encode(told.cues).decode()
    (LEARNED / f"{language.code}.json").write_text(
        f'{{"cues": {head},\n"weights": {{\n{rows}\n}}}}\n', encoding="utf-8"
    )


def words(peers: bool) -> Iterator[Row]:
    """Precision and recall for each language and cue, and the share of lines whose tone is told right."""
    for code, language in LANGUAGES.items():
        for name, cue in language.cues.items():
            held = lines(code, name, "held")
            precision, recall = measured(cue, held)
            title = f"{language.name}: {name}, {len(held)} lines"
            yield Row(title, "precision", "", [round(precision, 3)])
            yield Row(title, "recall", "", [round(recall, 3)])
        yield Row(f"{language.name}: tone told right", "soulfra", "share", [_right(code, _tone(language))])
        if peers and code == "en":
            yield Row(f"{language.name}: tone told right", "vader", "share", [_right(code, _vader)])


def _right(code: str, tones: Callable[[list[str]], list[str]]) -> float:
    """Share of the held-back lines whose label is found: pos, neg or neu."""
    rows = [row.partition("\t") for row in (LABELLED / code / "tone.held.tsv").read_text(encoding="utf-8").splitlines()]
    found = tones([text for _, _, text in rows])
    return round(sum(label == tone for (label, _, _), tone in zip(rows, found, strict=True)) / len(rows), 3)


def _tone(language: Language) -> Callable[[list[str]], list[str]]:
    def tones(texts: list[str]) -> list[str]:
        said = (language.read(text)[0] for text in texts)
        return ["pos" if one.get("good", 0) > one.get("bad", 0) else "neg" if "bad" in one else "neu" for one in said]

    return tones


def _vader(texts: list[str]) -> list[str]:
    """With the borders that its README gives."""
    scores = _peer("vader", stdin=json.dumps(texts))["told"]
    return ["pos" if score >= 0.05 else "neg" if score <= -0.05 else "neu" for score in scores]


def speed(size: int, rounds: int, peers: bool, say: Callable[[str], None]) -> Iterator[Row]:
    """Analyses of exports of `size` bytes, each in a process of its own; then the peers read a hundredth of the WhatsApp one."""
    with tempfile.TemporaryDirectory(prefix="soulfra-chat-") as folder:
        for format in FORMATS:
            say(f"writing {size / 1e6:.0f} MB in the form of {format}")
            file = Path(folder) / format
            n = write_export(file, format, size)
            title = f"{format}, {file.stat().st_size / 1e6:.0f} MB, {n} messages"
            yield from _whole(file, title, rounds, say)
            if CORES:
                yield from _whole(file, f"{title}, one core", rounds, say, CORES[:1])
            if format == "chatgpt":
                file = _zipped(file, "conversations.json")
                yield from _whole(file, f"{title}, in a zip of {file.stat().st_size / 1e6:.0f} MB", rounds, say)
        yield from _warm(Path(folder), rounds)
        if peers:
            yield from _reading(Path(folder), max(100_000, size // 100), say)


def _whole(
    file: Path, title: str, rounds: int, say: Callable[[str], None], cores: Collection[int] = ()
) -> Iterator[Row]:
    """Seconds and memory of the whole analysis, in processes that are new each time."""
    seconds, memory = [], []
    for number in range(rounds):
        say(f"{title}, round {number + 1} of {rounds}")
        told = _analysed(file, cores)
        seconds.append(told["seconds"])
        memory.append(told["peak_rss_mb"])
    yield Row(title, "soulfra", "s", seconds)
    yield Row(f"{title}: peak memory", "soulfra", "MiB", memory)


def _zipped(file: Path, name: str) -> Path:
    made = file.with_suffix(".zip")
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.write(file, name)
    return made


def _warm(folder: Path, rounds: int) -> Iterator[Row]:
    """Seconds for 1 MB in a process that has analysed before, on one core."""
    for format in FORMATS:
        file = folder / "warm"
        n = write_export(file, format, 1_000_000)
        seconds = []
        for _ in range(rounds + 1):
            began = time.perf_counter()
            analyse(file, workspace=folder)
            seconds.append(round(time.perf_counter() - began, 3))
        yield Row(f"{format}, 1 MB, {n} messages, warm", "soulfra", "s", seconds[1:])


def queue(size: int, say: Callable[[str], None]) -> Iterator[Row]:
    """Seconds until each of ten people has the analysis of a small file, alone and while a large one is analysed."""
    with tempfile.TemporaryDirectory(prefix="soulfra-chat-") as folder:
        large, small = Path(folder) / "large", Path(folder) / "small"
        say(f"writing {size / 1e6:.0f} MB, and ten people's {SMALL / 1e3:.0f} kB")
        write_export(large, "whatsapp", size)
        write_export(small, "whatsapp", SMALL)
        alone, beside = asyncio.run(_waited(large, small))
    title = f"ten exports of {SMALL / 1e3:.0f} kB"
    yield Row(f"{title}, alone", "soulfra", "s", alone)
    yield Row(f"{title}, while {size / 1e6:.0f} MB are analysed", "soulfra", "s", beside)


async def _waited(large: Path, small: Path) -> tuple[list[float], list[float]]:
    """Through the worker's own processes; nobody follows the progress."""
    analysts = Analysts(os.cpu_count() or 1, LONGEST, MOST)

    async def took(file: Path) -> float:
        began = time.perf_counter()
        await analysts.analyse(Work(str(file), "", 1_000_000_000, file.name, "redis://127.0.0.1:1"))
        return round(time.perf_counter() - began, 3)

    async def ten() -> list[float]:
        return list(await asyncio.gather(*(took(small) for _ in range(10))))

    try:
        await ten()  # the processes start
        alone, whole = await ten(), asyncio.create_task(took(large))
        await asyncio.sleep(1)
        beside = await ten()
        if whole.done():
            raise Failed("the large export was done before the small ones; take a larger --size")
        await whole
        return alone, beside
    finally:
        analysts.stop()


def _reading(folder: Path, size: int, say: Callable[[str], None]) -> Iterator[Row]:
    """Seconds of the whole analysis beside those of peers that only read."""
    file = folder / "small"
    n = write_export(file, "whatsapp", size)
    yield Row(f"whatsapp, {size / 1e6:.1f} MB, {n} messages", "soulfra", "s", [_analysed(file)["seconds"]])
    for name in ("whatstk", "chatminer"):
        say(f"{name} reads {n} messages")
        yield Row(f"whatsapp, {size / 1e6:.1f} MB, {n} messages", name, "s", [_peer(name, str(file))["seconds"]])


def _analysed(file: Path, cores: Collection[int] = ()) -> dict[str, Any]:
    """On these cores alone, if some are named."""
    words = [sys.executable, "-m", "cli", "analyze", "--json", str(file)]
    pinned = (lambda: os.sched_setaffinity(0, cores)) if cores else None
    done = subprocess.run(  # no thread of ours holds a lock that the child might need
        words,
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=pinned,
    )
    if done.returncode:
        raise Failed(f"the analysis failed: {done.stderr[-1500:]}")
    told: dict[str, Any] = json.loads(done.stdout)
    return told


def _peer(*words: str, stdin: str = "") -> dict[str, Any]:
    python = str(PEERS_VENV / "bin" / "python")
    done = subprocess.run(
        [python, "-m", "peers.chats", *words], cwd=Path(__file__).parent, input=stdin, capture_output=True, text=True, check=False
    )  # fmt: skip
    if done.returncode:
        raise Failed(f"{words[0]}: {done.stderr[-1500:]}")
    told: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    return told
