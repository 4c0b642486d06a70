"""What reading an export promises: every trap of the formats, every kind of broken file, and what is written is read."""

from __future__ import annotations

import io
import json
import random
import stat
import struct
import tempfile
import zipfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from soulfra.analysis import Analysis, analyse
from soulfra.chat import Message, Skipped, Unreadable, formats, part_of, recognise_file
from soulfra.chat.archive import MEMBERS

SAMPLES = Path(__file__).parents[1] / "soulfra" / "samples"
LIMIT = 10 * 1024 * 1024
T = 1_700_000_000.0


def read_bytes(content: bytes, format: str) -> tuple[list[Message], Skipped]:
    with tempfile.TemporaryDirectory() as folder:
        file, skipped = Path(folder) / "export", Skipped()
        file.write_bytes(content)
        batches = list(formats()[format].read(part_of(file), skipped, lambda at: None))
    return [message for batch in batches for message in batch], skipped


def analysed(content: bytes, name: str = "export", **wishes: Any) -> Analysis:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "export"
        file.write_bytes(content)
        return analyse(file, name, workspace=Path(folder), **{"limit": LIMIT, **wishes})


def refused(content: bytes, name: str = "export", **wishes: Any) -> Unreadable:
    with pytest.raises(Unreadable) as told:
        analysed(content, name, **wishes)
    return told.value


# ChatGPT


def said(text: Any, role: str = "user", at: float | None = T, **more: Any) -> dict[str, Any]:
    content = text if isinstance(text, dict) else {"content_type": "text", "parts": [text]}
    return {"author": {"role": role}, "create_time": at, "content": content, "recipient": "all", **more}


def tree(
    *nodes: tuple[str, str | None, dict[str, Any] | None], current: str | None = None, **more: Any
) -> dict[str, Any]:
    """A conversation of (node, parent, message)."""
    mapping: dict[str, Any] = {}
    for id, parent, message in nodes:
        children = [child for child, of, _ in nodes if of == id]
        mapping[id] = {"id": id, "parent": parent, "children": children, "message": message and {"id": id, **message}}
    return {"title": None, "create_time": None, "mapping": mapping, "current_node": current, **more}


def exported(*conversations: Any) -> bytes:
    return json.dumps(list(conversations)).encode()


def shown(content: bytes, format: str = "chatgpt") -> list[str]:
    return [message.text for message in read_bytes(content, format)[0] if message.visible]


FORKED = tree(
    ("root", None, None),
    ("q", "root", said("How long does rye bake?")),
    ("a1", "q", said("Forty minutes.", "assistant", T + 1)),
    ("a2", "q", said("An hour.", "assistant", T + 2)),
    ("t1", "a1", said("Thanks!", at=T + 3)),
    current="t1",
)


def test_only_the_branch_that_ends_at_the_current_node_is_visible_and_the_others_are_counted() -> None:
    messages, _ = read_bytes(exported(FORKED), "chatgpt")
    assert [m.text for m in messages if m.visible] == ["How long does rye bake?", "Forty minutes.", "Thanks!"]
    assert [m.text for m in messages if not m.visible] == ["An hour."]


@pytest.mark.parametrize("current", [None, "nowhere"])
def test_without_a_current_node_the_newest_leaf_ends_the_branch(current: str | None) -> None:
    content = exported({**FORKED, "current_node": current})
    assert shown(content) == ["How long does rye bake?", "Forty minutes.", "Thanks!"]


def test_a_mapping_that_runs_in_a_circle_is_walked_once() -> None:
    circle = tree(("a", "b", said("one")), ("b", "a", said("two")), current="b")
    assert sorted(shown(exported(circle))) == ["one", "two"]
    assert read_bytes(exported({**circle, "current_node": None}), "chatgpt")[0]


@pytest.mark.parametrize(
    "message",
    [
        pytest.param(said("secret", "system"), id="system"),
        pytest.param(said("secret", "tool"), id="tool"),
        pytest.param(said("secret", "assistant", recipient="python"), id="to-a-tool"),
        pytest.param(said("secret", metadata={"is_visually_hidden_from_conversation": True}), id="hidden"),
        pytest.param(said({"content_type": "user_editable_context", "text": "secret"}), id="custom-instructions"),
        pytest.param(said({"content_type": "thoughts", "text": "secret"}, "assistant"), id="thoughts"),
        pytest.param(said({"content_type": "execution_output", "text": "secret"}, "tool"), id="output"),
        pytest.param(said(""), id="empty"),
        pytest.param(
            said({"content_type": "multimodal_text", "parts": [{"asset_pointer": "file-service://x"}]}), id="image"
        ),
    ],
)
def test_what_a_person_does_not_see_is_counted_and_not_visible(message: dict[str, Any]) -> None:
    messages, skipped = read_bytes(
        exported(tree(("a", None, said("seen")), ("b", "a", message), current="b")), "chatgpt"
    )
    assert [m.visible for m in messages] == [True, False]
    assert skipped.total == 0


def test_text_beside_a_picture_and_a_recipient_of_null_are_seen() -> None:
    mixed = {
        "content_type": "multimodal_text",
        "parts": ["what is this?", {"asset_pointer": "sediment://x"}, "a loaf?"],
    }
    talk = tree(("a", None, said(mixed)), ("b", "a", said("yes", "assistant", recipient=None)), current="b")
    assert shown(exported(talk)) == ["what is this?\na loaf?", "yes"]


@pytest.mark.parametrize("at", [None, 0, -5.0, 9e15])
def test_a_time_that_is_missing_or_absurd_is_no_time(at: float | None) -> None:
    (message,), _ = read_bytes(exported(tree(("a", None, said("hi", at=at)), current="a")), "chatgpt")
    assert message.at is None and message.visible


def test_times_of_chatgpt_are_aware_and_utc() -> None:
    (message,), _ = read_bytes(exported(tree(("a", None, said("hi")), current="a")), "chatgpt")
    assert message.at == datetime.fromtimestamp(T, UTC)


def test_conversations_may_be_wrapped_and_begin_with_a_mark() -> None:
    wrapped = b'{"conversations": ' + exported(FORKED) + b"}"
    assert shown(wrapped) == shown(exported(FORKED)) == shown(b"\xef\xbb\xbf" + exported(FORKED))
    assert analysed(wrapped).format == "chatgpt"


@pytest.mark.parametrize("broken", [{"mapping": None}, {"title": "no tree"}, {"mapping": {"a": 3}}, 7, None, "text"])
def test_one_conversation_that_is_not_of_the_format_is_counted_and_the_others_are_read(broken: Any) -> None:
    content = exported(FORKED, broken, {**FORKED, "id": "second"})
    messages, skipped = read_bytes(content, "chatgpt")
    assert len({m.conversation for m in messages}) == 2
    place = len(json.dumps([FORKED])) + 1  # behind the comma and the blank that follow the first one
    assert skipped.places == {"a conversation is not of this format": f"byte {place}"}


def test_half_an_emoji_costs_one_character_and_not_the_file() -> None:
    talk = tree(
        ("a", None, said("fresh \ud83d bread \ude00")), ("b", "a", said("a \\ud83d path, a whole 🥐")), current="b"
    )
    content = exported({**talk, "title": "\ud83d"}, FORKED)
    messages, skipped = read_bytes(content, "chatgpt")
    assert [m.text for m in messages[:2]] == ["fresh \ufffd bread \ufffd", "a \\ud83d path, a whole 🥐"]
    assert skipped.total == 0
    assert content[messages[-1].offset :].startswith(json.dumps(FORKED).encode())


def test_control_characters_and_direction_marks_are_taken_out() -> None:
    assert shown(exported(tree(("a", None, said("a\x00b\u202ec\x1b[31m")), current="a"))) == ["abc[31m"]


def zipped(members: dict[str, bytes], **how: Any) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", **{"compression": zipfile.ZIP_DEFLATED, **how}) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return out.getvalue()


def test_shards_in_a_zip_are_read_one_after_the_other_and_empty_ones_are_counted() -> None:
    second = {**FORKED, "conversation_id": "second"}
    whole = analysed(
        zipped(
            {
                "conversations-000.json": exported({**FORKED, "conversation_id": "first"}),
                "conversations-001.json": exported(second),
                "conversations-002.json": b"",
                "chat.html": b"<html>",
                "user.json": b"{}",
            }
        )
    )
    assert (whole.format, whole.conversations, whole.visible) == ("chatgpt", 2, 6)
    assert [(one.reason, one.example) for one in whole.skipped] == [
        ("an empty file in the zip", "conversations-002.json")
    ]


# Claude


def spoken(sender: str, text: str, **more: Any) -> dict[str, Any]:
    return {
        "uuid": text or "empty",
        "sender": sender,
        "text": text,
        "created_at": "2026-02-01T10:00:00.123456Z",
        **more,
    }


def talk(*messages: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"uuid": "c", "name": "", "account": {"uuid": "a"}, "chat_messages": list(messages), **more}


def test_the_text_of_claude_may_stand_in_blocks_and_thinking_is_not_seen() -> None:
    blocks = [
        {"type": "thinking", "thinking": "hm"},
        {"type": "text", "text": "One hour."},
        {"type": "tool_use", "input": {}},
        {"type": "text", "text": "At 230 degrees."},
    ]
    content = exported(talk(spoken("human", "How long?"), spoken("assistant", "", content=blocks)))
    assert shown(content, "claude") == ["How long?", "One hour.\nAt 230 degrees."]


def test_without_blocks_the_text_of_claude_counts() -> None:
    content = exported(talk(spoken("human", "Old export", content=None), spoken("assistant", "Yes", content=[])))
    assert shown(content, "claude") == ["Old export", "Yes"]


def test_deleted_conversations_of_claude_are_counted_and_do_no_harm() -> None:
    shells = [talk(uuid="s1"), talk(spoken("human", "", content=[]), uuid="s2")]
    whole = analysed(exported(talk(spoken("human", "Hello"), spoken("assistant", "Hi")), *shells))
    assert whole.visible == 2
    assert [(one.reason, one.count) for one in whole.skipped] == [("a deleted conversation left an empty shell", 2)]


def test_of_two_answers_of_claude_the_one_on_the_last_path_is_seen() -> None:
    content = exported(
        talk(
            spoken("human", "Q", parent_message_uuid="00000000-0000-4000-8000-000000000000"),
            spoken("assistant", "first", parent_message_uuid="Q"),
            spoken("assistant", "second", parent_message_uuid="Q"),
        )
    )
    assert shown(content, "claude") == ["Q", "second"]


def test_links_of_claude_that_run_in_a_circle_end() -> None:
    content = exported(
        talk(spoken("human", "a", parent_message_uuid="b"), spoken("assistant", "b", parent_message_uuid="a"))
    )
    assert shown(content, "claude") == ["a", "b"]


def test_times_of_claude_with_and_without_a_zone_can_stand_together() -> None:
    messages = (
        spoken("human", "a", created_at="2026-02-01T10:00:00"),
        spoken("assistant", "b"),
        spoken("human", "c", created_at="?"),
    )
    whole = analysed(exported(talk(*messages)))
    assert (whole.first, whole.timezone_known) == ("2026-02-01T10:00:00+00:00", True)


# WhatsApp


def lines(*rows: str, end: str = "\n", encoding: str = "utf-8") -> list[Message]:
    return read_bytes(end.join([*rows, ""]).encode(encoding), "whatsapp")[0]


@pytest.mark.parametrize(
    ("line", "at"),
    [
        ("[24/12/2025, 18:05:09] Bob: Hi", datetime(2025, 12, 24, 18, 5, 9)),
        ("\u200e[24/12/2025, 18:05:09] Bob: Hi", datetime(2025, 12, 24, 18, 5, 9)),
        ("\ufeff[24.12.25, 18:05:09] Bob: Hi", datetime(2025, 12, 24, 18, 5, 9)),
        ("[12/24/25, 6:05:09\u202fPM] Bob: Hi", datetime(2025, 12, 24, 18, 5, 9)),
        ("[12/24/25, 12:05:09\u00a0AM] Bob: Hi", datetime(2025, 12, 24, 0, 5, 9)),
        ("24/12/25, 18:05 - Bob: Hi", datetime(2025, 12, 24, 18, 5)),
        ("24/12/25, 6:05\u2009pm - Bob: Hi", datetime(2025, 12, 24, 18, 5)),
        ("24/12/25 6:05 p. m. - Bob: Hi", datetime(2025, 12, 24, 18, 5)),
        ("24/12/25 12:05 p.m. - Bob: Hi", datetime(2025, 12, 24, 12, 5)),
        ("24.12.25, 18:05 - Bob: Hi", datetime(2025, 12, 24, 18, 5)),
        ("24-12-2025, 18:05 - Bob: Hi", datetime(2025, 12, 24, 18, 5)),
        ("24.12.2025 klo 18.05 - Bob: Hi", datetime(2025, 12, 24, 18, 5)),
        ("2025/12/24, 下午6:05 - Bob: Hi", datetime(2025, 12, 24, 18, 5)),
        ("[2025-12-24, 오전 6:05:09] Bob: Hi", datetime(2025, 12, 24, 6, 5, 9)),
        ("24/12/25, 18:05 - Bob:Hi", datetime(2025, 12, 24, 18, 5)),
        ("24/12/25, 18:05 - ~ Bob: Hi", datetime(2025, 12, 24, 18, 5)),
    ],
)
def test_a_line_is_read_as_the_phone_wrote_it(line: str, at: datetime) -> None:
    (message,) = lines(line)
    assert (message.speaker, message.text, message.at, message.visible) == ("Bob", "Hi", at, True)
    assert analysed(f"{line}\n".encode()).format == "whatsapp"


@pytest.mark.parametrize(
    ("dates", "months"),
    [
        pytest.param(["3/4/25", "5/4/25", "20/4/25"], [4, 4, 4], id="day-first-by-a-20th"),
        pytest.param(["4/3/25", "4/5/25", "4/20/25"], [4, 4, 4], id="month-first-by-a-20th"),
        pytest.param(["4/9/25", "4/10/25", "4/11/25", "5/1/25"], [4, 4, 4, 5], id="month-first-by-going-back-less"),
        pytest.param(["9/4/25", "10/4/25", "11/4/25", "1/5/25"], [4, 4, 4, 5], id="day-first-by-going-back-less"),
        pytest.param(["2025/4/9", "2025/5/1"], [4, 5], id="year-first"),
    ],
)
def test_day_and_month_are_decided_once_for_the_whole_file(dates: list[str], months: list[int]) -> None:
    found = lines(*(f"{date}, 10:00 - Bob: Hi" for date in dates))
    assert [message.at and message.at.month for message in found] == months


@pytest.mark.parametrize("pasted", ["[31/02/2025, 10:00:00] Eve: Hi", "[2025-02-01, 10:00:00] Eve: Hi"])
def test_one_pasted_line_does_not_turn_the_dates_of_the_others(pasted: str) -> None:
    found = lines(*(f"[{month}/20/25, 10:00:00] Bob: Hi" for month in (1, 2, 3, 4)), pasted)
    assert [message.at and message.at.month for message in found] == [1, 2, 3, 4]
    assert found[-1].text == f"Hi\n{pasted}"


@pytest.mark.parametrize(
    "pasted", ["[31/02/2025, 10:00:00] Eve: Hi", "[01/01/1999, 10:00:00] Eve: Hi", "01/03/25, 10:00 - Eve: Hi"]
)
def test_a_line_that_only_looks_like_a_header_belongs_to_its_message(pasted: str) -> None:
    first, second = lines("[20/02/2025, 10:00:00] Bob: look:", pasted, "[21/02/2025, 10:00:00] Bob: bye")
    assert (first.text, second.text) == (f"look:\n{pasted}", "bye")


def test_a_message_of_several_lines_keeps_them_and_its_empty_ones() -> None:
    first, second = lines(
        "[20/02/2025, 10:00:00] Bob: one", "two", "", "four", "[20/02/2025, 10:01:00] Eve: bye", end="\r\n"
    )
    assert (first.text, second.text) == ("one\ntwo\n\nfour", "bye")


@pytest.mark.parametrize(
    "text",
    [
        "<Media omitted>",
        "\u200eimage omitted",
        "\u200e<attached: 0001-PHOTO.jpg>",
        "IMG-1.jpg (file attached)",
        "<Medien ausgeschlossen>",
    ],
)
def test_media_is_counted_for_its_sender_and_not_visible(text: str) -> None:
    (message,) = lines(f"[20/02/2025, 10:00:00] Bob: {text}")
    assert (message.speaker, message.kind, message.visible) == ("Bob", "media", False)


@pytest.mark.parametrize(
    "text", ["This message was deleted", "\u200eYou deleted this message.", "\u200eDiese Nachricht wurde gelöscht."]
)
def test_a_deleted_message_is_its_senders_and_not_visible(text: str) -> None:
    (message,) = lines(f"[20/02/2025, 10:00:00] Bob: {text}")
    assert (message.speaker, message.kind, message.visible) == ("Bob", "deleted", False)


@pytest.mark.parametrize(
    "line",
    ["20/02/25, 10:00 - Eve left", "[20/02/2025, 10:00:00] Family: \u200eMessages are end-to-end encrypted."],
)
def test_what_whatsapp_itself_says_is_nobodys(line: str) -> None:
    (message,) = lines(line)
    assert (message.role, message.kind, message.visible) == ("system", "system", False)


def test_the_mark_of_an_edited_message_is_not_part_of_it() -> None:
    (message,) = lines("[20/02/2025, 10:00:00] Bob: 12 loaves \u200e<This message was edited>")
    assert message.text == "12 loaves"


def test_lines_before_the_first_message_are_counted() -> None:
    found, skipped = read_bytes(b"Chat history\n[20/02/2025, 10:00:00] Bob: Hi\n", "whatsapp")
    assert (len(found), skipped.places) == (1, {"a line before the first message": "line 1"})


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_a_text_file_may_have_any_unicode_encoding(encoding: str) -> None:
    content = "[20/02/2025, 10:00:00] Zoë 🥐: schön\n[20/02/2025, 10:01:00] Bob: ja\n".encode(encoding)
    found, _ = read_bytes(content, "whatsapp")
    assert [(m.speaker, m.text) for m in found] == [("Zoë 🥐", "schön"), ("Bob", "ja")]
    assert analysed(content).format == "whatsapp"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16-le", "latin-1"])
def test_the_offset_of_a_message_is_the_byte_of_its_line(encoding: str) -> None:
    mark = b"\xff\xfe" if encoding == "utf-16-le" else b""
    content = mark + "[20/02/2025, 10:00:00] Zoë: schön\n[20/02/2025, 10:01:00] Bob: ja\n".encode(encoding)
    for message in read_bytes(content, "whatsapp")[0]:
        assert content[message.offset :].startswith("[20/02".encode(encoding))


def test_a_zip_of_whatsapp_is_read_and_its_media_is_left_alone() -> None:
    content = zipped({"_chat.txt": b"[20/02/2025, 10:00:00] Bob: Hi\n", "0001-PHOTO.jpg": b"\xff\xd8\xff"})
    assert (analysed(content).format, analysed(content).visible) == ("whatsapp", 1)


# What is written is read back

LETTERS = st.characters(exclude_categories=["Cc", "Cf", "Cs", "Zl", "Zp"])
NAMES = st.text(LETTERS.filter(lambda c: c not in ":~"), min_size=1, max_size=20).map(str.strip).filter(bool)
WORDS = st.text(LETTERS.filter(lambda c: c not in "[<\u200e" and not c.isdigit()), min_size=1, max_size=30)
TEXTS = st.lists(WORDS, min_size=1, max_size=3).map("\n".join).map(str.strip).filter(bool)
ROWS = st.lists(st.tuples(st.integers(0, 200_000), NAMES, TEXTS), min_size=1, max_size=12)
STYLES = {
    "iOS": "[%d/%m/%Y, %H:%M:%S] ",
    "iOS, 12 h": "[%m/%d/%y, %I:%M:%S\u202f%p] ",
    "Android": "%d/%m/%y, %H:%M - ",
    "Android, year first": "%Y/%m/%d, %H:%M - ",
    "German": "%d.%m.%y, %H:%M - ",
}


@settings(max_examples=60, deadline=None)
@given(rows=ROWS, style=st.sampled_from(sorted(STYLES)), encoding=st.sampled_from(["utf-8", "utf-16"]))
def test_what_is_written_as_whatsapp_writes_it_is_read_back(
    rows: list[tuple[int, str, str]], style: str, encoding: str
) -> None:
    at, written, expected = datetime(2025, 1, 20, 9), "", []
    for seconds, name, text in [(0, "Bob", "Hi"), *rows]:
        at += timedelta(seconds=seconds) if "S" in STYLES[style] else timedelta(minutes=seconds // 60)
        written += f"{at.strftime(STYLES[style])}{name}: {text}\n"
        expected.append((at, name, text))
    found, skipped = read_bytes(written.encode(encoding), "whatsapp")
    assert [(m.at, m.speaker, m.text) for m in found] == expected
    assert skipped.total == 0


@settings(max_examples=60, deadline=None)
@given(text=st.text(st.characters(), min_size=1, max_size=60))
def test_any_text_in_a_chatgpt_export_is_read(text: str) -> None:
    messages, skipped = read_bytes(
        exported(tree(("a", None, said(text)), ("b", "a", said("end")), current="b")), "chatgpt"
    )
    assert (len(messages), skipped.total, messages[1].text) == (2, 0, "end")


@settings(max_examples=400, deadline=None)
@given(content=st.binary(max_size=400), format=st.sampled_from([None, *formats()]))
def test_any_bytes_are_read_or_refused_with_a_sentence(content: bytes, format: str | None) -> None:
    try:
        analysed(content, format=format)
    except Unreadable as told:
        assert told.reason


# Files that are no chat


@pytest.mark.parametrize(
    ("content", "says"),
    [
        pytest.param(b"", "the file is empty", id="empty"),
        pytest.param(b" \n\n", "the file is empty", id="blank"),
        pytest.param(b"\x00" * 500, "the file is empty", id="only-NULs"),
        pytest.param(b"\x89PNG\r\n\x1a\n....", "this is a PNG picture", id="picture"),
        pytest.param(b"\xff\xd8\xff\xe0....", "this is a JPEG picture", id="photo"),
        pytest.param(b"%PDF-1.7 ...", "this is a PDF", id="pdf"),
        pytest.param(b"<!DOCTYPE html><title>Exported Data</title><div class=page_header>", "Machine-readable JSON", id="telegram-html"),
        pytest.param(b'[{"foo": 1, "bar": 2}]', "its first keys are foo, bar", id="unknown-json"),
        pytest.param(b"Dear diary,\ntoday I baked.\n", "text in which no line begins as a known chat does", id="prose"),
        pytest.param(b"\x01\x02\xfe\xfa\x00\x99" * 50, "the file is not text", id="binary"),
    ],
)  # fmt: skip
def test_a_file_that_is_no_chat_says_what_was_seen_and_what_to_do(content: bytes, says: str) -> None:
    assert says in refused(content, "conversations.json").reason


def test_an_unknown_format_names_what_was_tried() -> None:
    reason = refused(b'[{"foo": 1}]').reason
    assert all(format.title in reason for format in formats().values())


@pytest.mark.parametrize("format", ["chatgpt", "claude", "whatsapp"])
@pytest.mark.parametrize("content", [b"", b"\x89PNG\r\n", b"nothing here"])
def test_a_format_that_is_asked_for_does_not_make_a_file_readable(content: bytes, format: str) -> None:
    assert refused(content, format=format).reason


def test_a_format_that_does_not_exist_is_refused_with_those_that_do() -> None:
    assert ", ".join(formats()) in refused(b"x", format="icq").reason


def test_json_that_ends_in_the_middle_says_so_with_the_byte() -> None:
    cut = exported(FORKED)[:-40]
    told = refused(cut)
    assert "ends in the middle" in told.reason and told.place == f"byte {len(cut)}"


def test_json_that_is_broken_says_at_which_byte() -> None:
    content = exported(FORKED).replace(b'"Thanks!"', b"Thanks!")
    assert refused(content).place == f"byte {content.index(b'Thanks!')}"


def test_not_a_number_is_no_json_and_says_where() -> None:
    content = exported(FORKED).replace(f"{T + 3}".encode(), b"NaN")
    assert refused(content).place == f"byte {content.index(b'NaN')}"


def test_a_bomb_of_brackets_is_refused_and_does_not_end_the_process() -> None:
    deep = exported(FORKED)[:-1] + b',{"mapping":' + b"[" * 200_000
    assert "not valid JSON" in refused(deep).reason
    closed = exported(FORKED)[:-1] + b',{"mapping":{"a":' + b"[" * 50_000 + b"]" * 50_000 + b"}}]"
    assert refused(closed).reason


def test_an_export_in_which_nobody_says_anything_is_refused() -> None:
    assert "no message that a person could see" in refused(exported(tree(("a", None, said("")), current="a"))).reason


# Zips from anyone

CHAT = exported(FORKED)


def test_half_a_zip_is_refused() -> None:
    whole = zipped({"conversations.json": CHAT})
    assert "damaged or cut off" in refused(whole[: len(whole) // 2]).reason


def test_an_encrypted_zip_says_how_to_go_on() -> None:
    whole = bytearray(zipped({"conversations.json": CHAT}))
    whole[6] |= 1  # general purpose flag of the local header, and of the central directory
    whole[whole.index(b"PK\x01\x02") + 8] |= 1
    assert "encrypted" in refused(bytes(whole)).reason


@pytest.mark.parametrize(
    "name",
    [
        "../conversations.json",
        "a/../../conversations.json",
        "/conversations.json",
        "C:/conversations.json",
        "..\\conversations.json",
    ],
)
def test_a_zip_that_would_write_outside_its_folder_is_refused(name: str) -> None:
    assert "outside its folder" in refused(zipped({name: CHAT})).reason


def test_a_link_in_a_zip_is_refused() -> None:
    link = zipfile.ZipInfo("conversations.json")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr(link, "/etc/passwd")
    assert "holds a link" in refused(out.getvalue()).reason


def many(n: int) -> bytes:
    return zipped(
        {"conversations.json": CHAT, **{f"media/{i}": b"" for i in range(n - 1)}}, compression=zipfile.ZIP_STORED
    )


def test_a_zip_may_hold_as_many_files_as_slack_makes() -> None:
    assert MEMBERS == 20_000
    assert analysed(many(20_000)).visible == 3


def test_a_zip_of_a_hundred_thousand_files_is_refused() -> None:
    assert "100000 files" in refused(many(100_000)).reason


def test_a_zip_that_inflates_a_thousand_times_is_refused() -> None:
    bomb = zipped({"conversations.json": CHAT + b" " * 8 * 1024 * 1024})
    assert len(bomb) * 900 < 8 * 1024 * 1024
    assert "inflates more than 200 times" in refused(bomb).reason


def test_a_zip_that_unpacks_to_more_than_four_times_the_limit_is_refused() -> None:
    content = zipped(
        {"conversations.json": CHAT, "a": random.Random(1).randbytes(5_000)}, compression=zipfile.ZIP_STORED
    )
    assert "unpacks to more than" in refused(content, limit=1_000).reason


def test_a_member_that_is_larger_than_it_claims_is_refused() -> None:
    whole = bytearray(zipped({"conversations.json": exported(*[FORKED] * 50)}))
    for at, field in ((0, 22), (whole.index(b"PK\x01\x02"), 24)):
        struct.pack_into("<I", whole, at + field, 500)
    assert "damaged" in refused(bytes(whole)).reason or "holds more than it says" in refused(bytes(whole)).reason


@pytest.mark.parametrize("method", [zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
@pytest.mark.parametrize("where", [0.05, 0.5, 0.9])
def test_a_member_that_is_damaged_inside_is_refused(method: int, where: float) -> None:
    noise = random.Random(2)
    talks = [{**FORKED, "id": f"{n}-{noise.random()}"} for n in range(6_000)]
    whole = bytearray(zipped({"conversations.json": exported(*talks)}, compression=method))
    at = int(len(whole) * where) + 60
    whole[at : at + 64] = bytes(255 - byte for byte in whole[at : at + 64])
    assert "damaged" in refused(bytes(whole)).reason


def test_a_zip_without_a_chat_says_what_was_tried() -> None:
    assert "none of the 1 files" in refused(zipped({"notes.txt": b"hello"})).reason
    assert "Slack" in refused(zipped({"users.json": b"[]", "channels.json": b"[]"})).reason


def test_what_was_unpacked_is_gone_afterwards(tmp_path: Path) -> None:
    file, room = tmp_path / "export.zip", tmp_path / "room"
    room.mkdir()
    file.write_bytes(zipped({"conversations.json": CHAT}))
    analyse(file, file.name, workspace=room)
    assert list(room.iterdir()) == []


@pytest.mark.parametrize("sample", ["sample-chatgpt.json", "sample-whatsapp.txt"])
def test_the_samples_are_recognised_without_their_names(sample: str) -> None:
    known, members = recognise_file(SAMPLES / sample, "", LIMIT)
    assert (known.format, members) == (sample.split("-")[1].split(".")[0], [])
