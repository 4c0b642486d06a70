"""Large exports are read in halves, with a compiled part; both give what reading in one go in Python gives."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from cli.bench import exports
from cli.halves import side_by_side
from soulfra import private, reading
from soulfra.analysis import LIMIT, Analysis, analyse, analyse_whole, concluded, encoded
from soulfra.chat import formats, message, whatsapp
from soulfra.chat.archive import opened
from soulfra.compiled import quick
from soulfra.insights import Hearing, Portion
from soulfra.insights.hearing import BLOCK
from soulfra.reading import Plan, planned, read
from soulfra.words import LANGUAGES
from tests.test_formats import zipped

FORMATS = sorted(exports.FORMATS)
LETTERS = st.sampled_from(
    list("abcdeghiostuzABZäöüßéñç  ''\"\"“”„«»’`?!¿¡…-_:/.@+#0123456789²❶😀☀\n\u200e\u202f\x00İΣσ中٣")
)
TEXTS = st.lists(LETTERS, max_size=60).map("".join)


@pytest.fixture
def divided(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every file is large."""
    monkeypatch.setattr(reading, "DIVIDED", 1)


def written(folder: Path, format: str, size: int = 300_000) -> Path:
    file = folder / format
    exports.write(file, format, size)
    return file


def whole(file: Path, folder: Path) -> Analysis:
    return analyse_whole(file, planned(file, "", None, LIMIT), workspace=folder)


@pytest.mark.usefixtures("divided")
@pytest.mark.parametrize("format", FORMATS)
def test_two_halves_hold_what_the_whole_holds(tmp_path: Path, format: str) -> None:
    file = written(tmp_path, format)
    plan = planned(file, "", None, LIMIT)
    first, second = (read(file, plan, half, tmp_path, LIMIT) for half in (0, 1))
    assert min(first.counts.messages, second.counts.messages) > 100
    halves, one = analyse(file, workspace=tmp_path), whole(file, tmp_path)
    for name in (
        "messages",
        "visible",
        "participants",
        "first",
        "last",
        "activity",
        "owner",
        "conversations",
        "style",
        "secrets",
        "language",
    ):
        assert getattr(halves, name) == getattr(one, name), name
    assert {one.id for one in halves.insights} == {one.id for one in one.insights}
    content = file.read_bytes()
    for insight in halves.insights:
        for shown in insight.evidence:
            assert content[shown.offset :].lstrip(b"[,\n").startswith((b"{", b"03/", b"0", b"1", b"2", b"3"))


@pytest.mark.usefixtures("divided")
@pytest.mark.parametrize("format", FORMATS)
def test_the_same_bytes_come_out_however_many_processes_read(tmp_path: Path, format: str) -> None:
    file = written(tmp_path, format)
    zip = tmp_path / "chat.zip"
    zip.write_bytes(
        zipped(
            {
                {"whatsapp": "_chat.txt", "chatgpt": "conversations.json", "telegram": "result.json"}[
                    format
                ]: file.read_bytes()
            }
        )
    )
    one, two, packed = (
        analyse(file, workspace=tmp_path),
        analyse(file, workspace=tmp_path, halves=side_by_side),
        analyse(zip, workspace=tmp_path),
    )
    assert encoded(one) == encoded(two)
    assert packed.content == one.content and packed.insights == one.insights


def test_a_file_over_the_bound_is_divided_at_the_same_place_again_and_a_small_one_is_not(tmp_path: Path) -> None:
    small, large = written(tmp_path, "whatsapp"), tmp_path / "large"
    exports.write(large, "whatsapp", reading.DIVIDED + 100_000)
    assert len(planned(small, "", None, LIMIT).halves) == 1
    assert len(planned(large, "", None, LIMIT).halves) == 2
    assert encoded(analyse(large, workspace=tmp_path)) == encoded(
        analyse(large, workspace=tmp_path, halves=side_by_side)
    )


@pytest.mark.usefixtures("divided")
def test_utf16_is_read_with_the_first_half(tmp_path: Path) -> None:
    file = written(tmp_path, "whatsapp", 60_000)
    wide = tmp_path / "wide"
    wide.write_bytes(file.read_text(encoding="utf-8").encode("utf-16"))
    assert analyse(wide, workspace=tmp_path).messages == whole(file, tmp_path).messages


@pytest.mark.usefixtures("divided")
def test_where_halves_do_not_agree_who_is_who_the_file_is_read_in_one_go(tmp_path: Path) -> None:
    """Two people of one name: which of them has the number depends on who comes first."""
    people = (
        [9] * 600 + [1] * 100 + [2] * 400 + [1] * 300
    )  # the first ones are seen by whoever reads the second half, too
    rows = [(f"user{who}", "Ann" if who == 9 else "Max", "hello there, how are you?") for who in people]
    said = (
        f'{{"id": {n}, "type": "message", "date": "2026-03-02T10:00:00", "date_unixtime": "{1_772_445_600 + n}", '
        f'"from": "{name}", "from_id": "{who}", "text": "{text}"}}'
        for n, (who, name, text) in enumerate(rows)
    )
    file = tmp_path / "result.json"
    file.write_text(f'{{"name": "x", "type": "personal_chat", "id": 1, "messages": [{", ".join(said)}]}}')
    plan = planned(file, "", None, LIMIT)
    assert concluded(plan, [read(file, plan, half, tmp_path, LIMIT) for half in (0, 1)]) is None
    assert analyse(file, workspace=tmp_path).participants == {"Ann": 600, "Max": 400, "Max (2)": 400}


@pytest.mark.usefixtures("divided")
def test_of_many_members_each_is_read_in_one_of_the_halves(tmp_path: Path) -> None:
    file = written(tmp_path, "chatgpt", 60_000)
    zip = tmp_path / "shards.zip"
    zip.write_bytes(zipped({f"conversations-{n:03}.json": file.read_bytes() for n in range(5)}))
    plan: Plan = planned(zip, "", None, LIMIT)
    sizes = [sum(min(piece.span.end, piece.size) - piece.span.begin for piece in half) for half in plan.halves]
    with opened(zip, LIMIT) as archive:
        assert sum(sizes) == sum(member.file_size for member in archive.infolist())
    assert analyse(zip, workspace=tmp_path).messages == 5 * whole(file, tmp_path).messages


@pytest.mark.skipif(quick is None, reason="the compiled part is not here, so everything runs without it anyway")
@settings(max_examples=300, deadline=None)
@given(text=TEXTS, code=st.sampled_from(sorted(LANGUAGES)))
@example(text="he said 'so what' and \"we'll see\" — it's over???", code="en")
@example(text="`code` https://example.org/?a=1 Größe I'll do it", code="de")
def test_words_are_read_the_same_compiled_and_in_python(text: str, code: str) -> None:
    assert LANGUAGES[code].read(text) == LANGUAGES[code]._read(text)


@pytest.mark.skipif(quick is None, reason="the compiled part is not here, so everything runs without it anyway")
@pytest.mark.parametrize("format", FORMATS)
def test_messages_are_heard_the_same_compiled_and_in_python(tmp_path: Path, format: str) -> None:
    part = message.part_of(written(tmp_path, format, 100_000))
    for batch in formats()[format].read(part, message.Skipped(), lambda at: None):
        in_python, portion = Hearing(), Portion([], [], [], [], [])
        language = in_python._told(batch[:BLOCK])
        in_python._read(batch[:BLOCK], language, portion)
        assert Hearing().hear(batch[:BLOCK])._replace(opening=[]) == portion


@pytest.mark.skipif(quick is None, reason="the compiled part is not here, so everything runs without it anyway")
@settings(max_examples=200, deadline=None)
@given(text=st.text(st.characters(), max_size=60) | TEXTS)
@example(
    text="write to a@example.org or +49 30 1234567, key AKIAIOSFODNN7EXAMPLE, card 4111 1111 1111 1111, DE89370400440532013000"
)
@example(text="\ud800 lone \u202e surrogate ")
def test_texts_are_cleaned_and_searched_the_same_compiled_and_in_python(text: str) -> None:
    assert message.cleaned(text) == message._cleaned(text)
    for bit, _, pattern, _ in private.PATTERNS:
        assert not pattern.search(text) or private.hints(text) & bit


PIECES: dict[str, tuple[str, ...]] = {  # of a line as WhatsApp writes it, and what may stand in their place
    "mark": ("", "\u200e", "\u200f", " "),
    "begin": ("",),
    "date": ("12/03/21", "13/03/21", "1/4/21", "12/03/2021", "31/02/21", "12/03/30", "11/02/24", "01/01/20", "12/03-21", "12/3/213"),
    "comma": (", ", " ", ",  ", ",\u202f", "."),
    "time": ("10:05", "9:05", "10.05", "24:05", "12:05", "10:5", "10:05:59", "0:00:00", "10:05:7"),
    "half": ("", " AM", "\u202fPM", " p.m.", "  pm", "pm", " Xm", "\x00m"),
    "end": (" - ", " -", " -  ", "\u00a0-\u00a0"),
    "name": ("Ann", "Bo", "~ Ann", "\u200eBo", "Bü", "A\rB", "x" * 300, "x" * 301, "", " ", "\u200e"),
    "colon": (": ", ":", ":  ", ":\u200e", "", ":\n"),
    "text": ("hello", "hi <b>", "(see)", "IMG-20250120-WA0001.jpg (file attached)", "<Media omitted>", "\u200eimage omitted", "This message was deleted.",
             "You deleted this message", "", " ", "two\r", "\rtwo", "bye \u200e<This message was edited>", "x" * 70, "\udcff", "1/2/21 was when"),
    "behind": ("\n", "\r\n", "\nand more\n", "\r\nand more\r\n", "\n\n", "\n7 more\n", "\n[more]\n", "\n\u200emore\n"),
}  # fmt: skip
IOS = {"begin": ("[",), "end": ("] ", "]", "]  "), "date": ("12.03.21", "12.03.21.", "2021.03.12", *PIECES["date"])}


@st.composite
def whatsapp_like(draw: st.DrawFn) -> str:
    pieces, lines = PIECES | draw(st.sampled_from([{}, IOS])), list[str]()
    half = draw(st.sampled_from(pieces["half"][:3]))
    for _ in range(draw(st.integers(1, 10))):
        odd = draw(st.sampled_from([*pieces, *["text"] * len(pieces)]))
        line = {name: one[0] for name, one in pieces.items()} | {"half": half}
        line[odd] = draw(st.sampled_from(pieces[odd]))
        lines.append("".join(line.values()))
    return "".join(lines)


@pytest.mark.skipif(quick is None, reason="the compiled part is not here, so everything runs without it anyway")
@settings(max_examples=1_000, deadline=None)
@given(written=whatsapp_like(), begin=st.integers(0, 200), end=st.integers(0, 600), ended=st.booleans())
def test_whatsapp_is_read_the_same_compiled_and_in_python(written: str, begin: int, end: int, ended: bool) -> None:
    content = written.encode(errors="surrogateescape").strip(b"\n") + b"\n" * ended
    spans = message.ALL, message.Span(0, end), message.Span(begin, sys.maxsize)
    with pytest.MonkeyPatch.context() as patched:
        compiled = [told(content, span) for span in spans]
        patched.setattr(whatsapp, "quick", None)
        patched.setattr(whatsapp, "other_line", whatsapp._other_line)
        assert compiled == [told(content, span) for span in spans]


def told(content: bytes, span: message.Span) -> object:
    """The messages that begin in a span, and what is skipped; or why it is unreadable."""
    skipped = message.Skipped()
    part = message.Part(Path(), "", message.Export(), span)
    try:
        return list(whatsapp._messages(content, part, skipped, lambda at: None)), skipped.counts, skipped.places
    except message.Unreadable as unreadable:
        return str(unreadable)


def test_without_the_compiled_part_everything_is_the_same() -> None:
    """The tests of the insights, with all that is read in Python."""
    pure = "import sys; sys.modules['soulfra._quick'] = None; import pytest; sys.exit(pytest.main(sys.argv[1:]))"
    words = ["-q", "-x", "-p", "no:cacheprovider", "tests/test_insights.py", "tests/test_formats.py"]
    done = subprocess.run(
        [sys.executable, "-c", pure, *words], capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stdout[-3000:]
