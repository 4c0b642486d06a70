"""Formats beside ChatGPT, Claude and WhatsApp: what a person sees is counted, traps of each format included."""

from __future__ import annotations

import json
import zipfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from soulfra.analysis import LIMIT, analyse
from soulfra.chat import Message, Skipped, Unreadable, formats, part_of, recognise_file


def read(folder: Path, content: str | bytes | Any, name: str = "file") -> tuple[str, list[Message], Skipped]:
    """What is recognised and read of a file with this content, JSON where it is no text."""
    file = folder / name
    raw = (
        content
        if isinstance(content, bytes)
        else content.encode()
        if isinstance(content, str)
        else json.dumps(content).encode()
    )
    file.write_bytes(raw)
    known, members = recognise_file(file, name, LIMIT)
    assert not members
    skipped = Skipped()
    found = [one for batch in formats()[known.format].read(part_of(file), skipped, lambda at: None) for one in batch]
    for one in found:
        assert 0 <= one.offset < len(raw)
    return known.format, found, skipped


def seen(messages: list[Message]) -> list[tuple[str, str]]:
    return [(one.speaker, one.text) for one in messages if one.visible]


TELEGRAM = {
    "name": "Trip", "type": "private_group", "id": 7,
    "messages": [
        {"id": 1, "type": "service", "date": "2024-05-01T09:00:00", "date_unixtime": "1714546800", "actor": "Ann",
         "actor_id": "user1", "action": "create_group", "text": ""},
        {"id": 2, "type": "message", "date": "2024-05-01T09:01:00", "date_unixtime": "1714546860", "from": "Ann",
         "from_id": "user1", "text": ["Look: ", {"type": "link", "text": "https://a.example"}, " 😀"],
         "text_entities": [{"type": "plain", "text": "Look: "}]},
        {"id": 3, "type": "message", "date": "2024-05-01T09:02:00", "date_unixtime": "1714546920", "from": None,
         "from_id": "user2", "text": "nice", "reply_to_message_id": 2},
        {"id": 4, "type": "message", "date": "2024-05-01T09:03:00", "date_unixtime": "1714546980", "from": "Ann",
         "from_id": "user3", "photo": "photos/1.jpg", "text": ""},
        {"id": 5, "type": "message", "date": "2024-05-01T09:04:00", "date_unixtime": "1714547040", "from": "Ann",
         "from_id": "user3", "text": "me too"},
        "no message at all",
    ],
}  # fmt: skip


def test_telegram_one_chat(tmp_path: Path) -> None:
    format, found, skipped = read(tmp_path, TELEGRAM)
    assert format == "telegram" and skipped.total == 1
    assert seen(found) == [("Ann", "Look: https://a.example 😀"), ("(deleted account)", "nice"), ("Ann (2)", "me too")]
    assert [one.kind for one in found] == ["system", "text", "text", "media", "text"]
    assert found[1].at == datetime(2024, 5, 1, 7, 1, tzinfo=UTC) and found[2].reply_to == "2"


def test_telegram_a_whole_account_and_no_unix_times(tmp_path: Path) -> None:
    chats = [TELEGRAM | {"id": n, "messages": [
        {"id": 1, "type": "message", "date": "2019-01-01T10:00:00", "from": "Bo", "from_id": 4711, "text": f"chat {n}"},
    ]} for n in (1, 2)]  # fmt: skip
    account = {"about": "…", "personal_information": {"user_id": 1}, "chats": {"about": "", "list": chats},
               "left_chats": {"list": [chats[0] | {"id": 3}]}}  # fmt: skip
    format, found, _ = read(tmp_path, account)
    assert format == "telegram" and [one.conversation for one in found] == ["1", "2", "3"]
    assert found[0].at == datetime(2019, 1, 1, 10)  # of the phone: no zone


def test_telegram_as_html_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(Unreadable, match="Machine-readable JSON"):
        read(tmp_path, '<!DOCTYPE html>\n<html><head><title>Exported Data</title></head><body class="page_header">')


DISCORD = {
    "guild": {"id": "1", "name": "G"}, "channel": {"id": "9", "name": "general"}, "messageCount": 35,
    "messages": [
        {"id": "1161234567890123457", "type": "GuildMemberJoin", "timestamp": "2024-01-15T10:30:00.123+00:00",
         "content": "Joined the server.", "author": {"id": "11", "name": "ann"}},
        {"id": "1161234567890123458", "type": "Default", "timestamp": "2024-01-15T10:31:00+02:00", "content": "hi @Unknown",
         "author": {"id": "11", "name": "ann", "nickname": "Ann"}},
        {"id": "1161234567890123459", "type": "Reply", "timestamp": "2024-01-15T10:32:00+00:00", "content": "hello",
         "author": {"id": "12", "name": "bo"}, "reference": {"messageId": "1161234567890123458"}},
        {"id": "1161234567890123460", "type": "Default", "timestamp": "2024-01-15T10:33:00+00:00", "content": "",
         "author": {"id": "12", "name": "bo"}, "attachments": [{"url": "x"}]},
        {"id": "1161234567890123461", "type": "Default", "timestamp": "2024-01-15T10:34:00+00:00", "content": "beep",
         "author": {"id": "13", "name": "robot", "isBot": True}},
    ],
}  # fmt: skip


def test_discord_json(tmp_path: Path) -> None:
    format, found, skipped = read(tmp_path, DISCORD)
    assert format == "discord" and skipped.total == 0
    assert seen(found) == [("ann", "hi @Unknown"), ("bo", "hello"), ("robot", "beep")]
    assert [one.role for one in found] == ["system", "person", "person", "person", "tool"]
    assert found[2].reply_to == found[1].id == "1161234567890123458"
    assert found[1].at == datetime(2024, 1, 15, 8, 31, tzinfo=UTC)


def test_discord_csv_with_quoted_lines(tmp_path: Path) -> None:
    text = (
        "AuthorID,Author,Date,Content,Attachments,Reactions\r\n"
        '"11","ann#0001","2024-01-15T10:31:00.0000000+00:00","two\nlines, ""quoted""","",""\r\n'
        '"12","bo","2024-01-15T10:32:00.0000000+00:00","","https://cdn.example/x.png",""\r\n'
        '"12"\r\n'
    )
    format, found, skipped = read(tmp_path, "\ufeff" + text)
    assert format == "discord" and skipped.total == 1
    assert seen(found) == [("ann", 'two\nlines, "quoted"')] and found[1].kind == "media"
    assert text.encode()[found[1].offset - 3 :].startswith(b'"12","bo"')


def test_discord_csv_of_few_columns_and_a_row_without_content(tmp_path: Path) -> None:
    text = 'AuthorID,Author,Date,Content,More\n"11","ann","2024-01-15T10:31:00+00:00"\n"12","bo","2024-01-15T10:32:00+00:00","hi"\n'
    _, found, skipped = read(tmp_path, text)
    assert seen(found) == [("bo", "hi")] and skipped.total == 1


def test_discord_the_official_package(tmp_path: Path) -> None:
    file = tmp_path / "package.zip"
    with zipfile.ZipFile(file, "w") as made:
        made.writestr("Messages/index.json", json.dumps({"c5": "general in G"}))
        made.writestr("Messages/c5/channel.json", json.dumps({"id": "5"}))
        made.writestr(
            "Messages/c5/messages.csv", 'ID,Timestamp,Contents,Attachments\n77,2023-01-01 10:00:00+00:00,"a\nb",\n'
        )
        made.writestr("Messages/c6/messages.json", json.dumps([
            {"ID": 1161234567890123457, "Timestamp": "2023-01-02 10:00:00", "Contents": "later", "Attachments": ""},
        ]))  # fmt: skip
        made.writestr("Account/user.json", "{}")
    result = analyse(file, workspace=tmp_path)
    assert (result.format, result.messages, result.visible, result.conversations) == ("discord", 2, 2, 2)
    assert result.participants == {"You": 2}


def slack(folder: Path, around: str = "") -> Path:
    file = folder / "slack.zip"
    day = [
        {"type": "message", "user": "U1", "text": "hi <@U2>, see <https://a.example|this> &amp; <#C1|general> <!channel>", "ts": "1700000000.000100",
         "thread_ts": "1700000000.000100", "reply_count": 1},
        {"type": "message", "subtype": "channel_join", "user": "U2", "text": "<@U2> has joined", "ts": "1700000001.000200"},
        {"type": "message", "subtype": "bot_message", "username": "deploys", "text": "done", "ts": "1700000002.000300"},
        {"type": "message", "user": "U9", "user_profile": {"real_name": "A Guest"}, "text": "who am I", "ts": "1700000003.000400"},
    ]  # fmt: skip
    later = [
        {
            "type": "message",
            "user": "U2",
            "text": "late answer",
            "ts": "1700090000.000500",
            "thread_ts": "1700000000.000100",
        }
    ]
    with zipfile.ZipFile(file, "w") as made:
        made.writestr(f"{around}users.json", json.dumps([
            {"id": "U1", "name": "ann", "profile": {"display_name": "", "real_name": "Ann A"}},
            {"id": "U2", "name": "bo", "profile": {"display_name": "Bo"}},
        ]))  # fmt: skip
        made.writestr(f"{around}channels.json", json.dumps([{"id": "C1", "name": "general"}]))
        made.writestr(f"{around}general/2023-11-14.json", json.dumps(day))
        made.writestr(f"{around}general/2023-11-15.json", json.dumps(later))
        made.writestr(f"{around}random/2023-11-14.json", "[]")
    return file


@pytest.mark.parametrize("around", ["", "export of G/"])
def test_slack(tmp_path: Path, around: str) -> None:
    result = analyse(slack(tmp_path, around), workspace=tmp_path)
    assert (result.format, result.messages, result.visible) == ("slack", 5, 4)
    assert result.participants == {"A Guest": 1, "Ann A": 1, "Bo": 1, "deploys": 1}
    assert result.conversations == 1


def test_slack_bots_speak_in_attachments_and_comments_have_an_author_of_their_own(tmp_path: Path) -> None:
    rows = [
        {"type": "message", "subtype": "bot_message", "bot_id": "B1", "text": "", "ts": "1700000000.000100",
         "attachments": [{"pretext": "[app] 1 new commit", "text": "fix the oven", "fallback": "x"}, "odd"]},
        {"type": "message", "subtype": "file_comment", "text": "nice picture", "ts": "1700000001.000100", "comment": {"user": "U7"}},
    ]  # fmt: skip
    _, found, _ = read(tmp_path, rows)
    assert seen(found) == [("B1", "[app] 1 new commit\nfix the oven"), ("U7", "nice picture")]


def test_slack_text_is_shown_as_slack_shows_it(tmp_path: Path) -> None:
    file = slack(tmp_path)
    known, members = recognise_file(file, "", LIMIT)
    assert known.format == "slack" and len(members) == 3
    with zipfile.ZipFile(file) as archive:
        archive.extract("general/2023-11-14.json", tmp_path)
    alone = part_of(tmp_path / "general" / "2023-11-14.json")
    found = [one for batch in formats()["slack"].read(alone, Skipped(), lambda at: None) for one in batch]
    assert found[0].text == "hi @U2, see this & #general @channel"  # without users.json ids stay ids
    assert found[0].id == "1700000000.000100" and found[0].reply_to == ""


GEMINI = [
    {"header": "Gemini Apps", "title": "Prompted And then?", "time": "2024-06-01T10:10:00Z", "products": ["Gemini Apps"]},
    {"header": "Gemini Apps", "title": "Gave feedback: Good", "time": "2024-06-01T10:06:00Z", "products": ["Gemini Apps"]},
    {"header": "Search", "title": "Searched for cats", "time": "2024-06-01T10:05:00Z", "products": ["Search"]},
    {"header": "Gemini Apps", "title": "Prompted What is 1 &lt; 2?", "time": "2024-06-01T10:00:00Z", "products": ["Gemini Apps"],
     "safeHtmlItem": [{"html": "<p>True &amp; <b>simple</b>.</p><script>steal()</script><style>p{}</style>"}],
     "account": {"email": "private@example.invalid"}, "locationInfos": "private"},
    {"header": "Gemini-Apps", "title": "Eingegebener Prompt: Hallo", "time": "2024-05-01T10:00:00Z", "products": ["Gemini-Apps"]},
]  # fmt: skip


def test_gemini(tmp_path: Path) -> None:
    format, found, skipped = read(tmp_path, GEMINI)
    assert format == "gemini"
    assert skipped.counts == {"an entry of another product": 1, "an entry that is no prompt": 1}
    assert [one.text for one in found] == ["Hallo", "What is 1 &lt; 2?", "True & simple.", "And then?"]
    assert [one.conversation for one in found] == ["talk 1", "talk 2", "talk 2", "talk 2"]
    assert "private" not in repr(found) and "steal" not in repr(found)


def test_grok(tmp_path: Path) -> None:
    said = [
        {
            "response": {
                "_id": "a",
                "message": "hi",
                "sender": "human",
                "create_time": {"$date": {"$numberLong": "1717236000000"}},
            }
        },
        {"response": {"_id": "b", "message": "hello", "sender": "ASSISTANT", "create_time": "2024-06-01T10:00:01.5Z"}},
        {"response": {"_id": "c", "sender": "ASSISTANT"}},
    ]
    format, found, skipped = read(tmp_path, {"conversations": [{"conversation": {"id": "x"}, "responses": said}]})
    assert format == "grok" and skipped.total == 1
    assert [(one.role, one.text, one.conversation) for one in found] == [
        ("person", "hi", "x"),
        ("assistant", "hello", "x"),
    ]
    assert found[0].at == datetime(2024, 6, 1, 10, tzinfo=UTC)


def test_ai_studio(tmp_path: Path) -> None:
    chunks = [{"text": "hi", "role": "user"}, {"text": "hm", "role": "model", "isThought": True}, {"text": "hello", "role": "model"},
              {"driveImage": {}, "role": "user"}]  # fmt: skip
    format, found, skipped = read(tmp_path, {"runSettings": {}, "chunkedPrompt": {"chunks": chunks}})
    assert format == "aistudio" and skipped.total == 1
    assert seen(found) == [("You", "hi"), ("Assistant", "hello")] and found[1].kind == "reasoning"


def test_claude_code(tmp_path: Path) -> None:
    rows: list[Any] = [
        {"type": "summary", "summary": "x"},
        {"type": "user", "sessionId": "s", "uuid": "1", "timestamp": "2025-01-01T10:00:00.000Z", "message": {"role": "user", "content": "fix it"}},
        {"type": "assistant", "sessionId": "s", "uuid": "2", "timestamp": "2025-01-01T10:00:05.000Z",
         "message": {"content": [{"type": "text", "text": "done"}, {"type": "tool_use", "name": "edit", "input": {}}]}},
        {"type": "user", "sessionId": "s", "uuid": "3", "timestamp": "2025-01-01T10:00:06.000Z",
         "message": {"content": [{"type": "tool_result", "content": "ok"}]}},
        {"type": "user", "sessionId": "s", "uuid": "4", "isMeta": True, "message": {"content": "caveat"}},
    ]  # fmt: skip
    text = "\n".join(map(json.dumps, rows)) + '\n{"type": "assistant", "sess'
    format, found, skipped = read(tmp_path, text)
    assert format == "claude-code" and skipped.counts == {"a line is not whole JSON": 1}
    assert seen(found) == [("You", "fix it"), ("Assistant", "done")] and len(found) == 4


def test_openai_jsonl(tmp_path: Path) -> None:
    rows: list[Any] = [
        {"messages": [{"role": "system", "content": "be kind"}, {"role": "user", "content": [{"type": "text", "text": "hi"}, {"type": "image_url"}]},
                      {"role": "assistant", "content": None, "tool_calls": []}, {"role": "assistant", "content": "hello"}]},
        {"messages": "none"},
    ]  # fmt: skip
    format, found, skipped = read(tmp_path, "\ufeff" + "\n\n".join(map(json.dumps, rows)))
    assert format == "openai-jsonl" and skipped.total == 1
    assert seen(found) == [("You", "hi"), ("Assistant", "hello")] and len(found) == 4


@pytest.mark.parametrize("as_lines", [False, True])
def test_sharegpt(tmp_path: Path, as_lines: bool) -> None:
    rows = [{"id": "a", "conversations": [{"from": "human", "value": "hi"}, {"from": "gpt", "value": "hello"}]},
            {"conversations": [{"from": "system", "value": "x"}, {"from": "human"}]}]  # fmt: skip
    format, found, skipped = read(tmp_path, "\n".join(map(json.dumps, rows)) if as_lines else rows)
    assert format == "sharegpt" and skipped.total == 1
    assert seen(found) == [("You", "hi"), ("Assistant", "hello")]


def test_signal(tmp_path: Path) -> None:
    format, found, _ = read(
        tmp_path, "[2019-12-24, 12:23] Jane Doe: Hello John!\n[2020-01-17, 21:49] John Doe: Hello\nJane!\n"
    )
    assert format == "signal"
    assert seen(found) == [("Jane Doe", "Hello John!"), ("John Doe", "Hello\nJane!")]


def test_irc_in_mixed_encodings(tmp_path: Path) -> None:
    log = (
        "12:00 <@ann> gr\u00fc\u00df dich\n".encode()
        + "12:01 <bo> sch\u00f6n\n".encode("cp1252")
        + b"12:02 * ann waves\n12:03 *** bo joined #x\n"
    )
    format, found, _ = read(tmp_path, log)
    assert format == "irc" and seen(found) == [("ann", "gr\u00fc\u00df dich"), ("bo", "sch\u00f6n")]
    assert [one.kind for one in found] == ["text", "text", "system", "system"] and found[0].at is None


def test_plain_lines_need_names_that_recur(tmp_path: Path) -> None:
    format, found, _ = read(tmp_path, "Ann: a\nBo: b\nand more\nAnn: c\nBo: d\nAnn: e\nBo: f\n")
    assert format == "plain" and seen(found)[1] == ("Bo", "b\nand more") and len(found) == 6
    with pytest.raises(Unreadable):
        read(tmp_path, "Note: remember\nTitle: x\nhttps://a.example: no\nAuthor: me\n")


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "cp1252"])
def test_csv_with_other_signs_and_encodings(tmp_path: Path, encoding: str) -> None:
    text = 'Date;Sender;Message\n2024-01-01 10:00;J\u00f6rg;"one;\ntwo"\n2024-01-01 10:01;Ann;three\n'
    format, found, _ = read(tmp_path, text.encode(encoding))
    assert format == "csv" and seen(found) == [("J\u00f6rg", "one;\ntwo"), ("Ann", "three")]
    assert found[0].at == datetime(2024, 1, 1, 10)


def test_generic_json_and_jsonl(tmp_path: Path) -> None:
    rows: list[Any] = [
        {"author": {"name": "Ann"}, "text": "hi", "timestamp": 1717236000000},
        {"sender": "Bo", "body": "ho", "date": "bad"},
        7,
    ]
    format, found, skipped = read(tmp_path, {"items": rows})
    assert format == "json" and seen(found) == [("Ann", "hi"), ("Bo", "ho")] and skipped.total == 1
    assert found[0].at == datetime(2024, 6, 1, 10, tzinfo=UTC) and found[1].at is None
    format, found, skipped = read(tmp_path, "\n".join(map(json.dumps, rows)))
    assert format == "jsonl" and seen(found) == [("Ann", "hi"), ("Bo", "ho")] and skipped.total == 1
