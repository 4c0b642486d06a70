"""What an insight promises: it is the same for the same file, it merges, its evidence is in the file, and it is masked."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from soulfra import persona
from soulfra.analysis import Analysis, analyse, encoded
from soulfra.chat import Message, Skipped, Unreadable, formats, part_of
from soulfra.insights import REDUCERS, Hearing, Insight, Reader
from soulfra.insights.insight import QUOTE, Best, quote
from soulfra.private import found, masked
from soulfra.words import LANGUAGES, Language

SAMPLES = Path(__file__).parents[1] / "soulfra" / "samples"
CHATGPT, WHATSAPP = SAMPLES / "sample-chatgpt.json", SAMPLES / "sample-whatsapp.txt"
BOTH = pytest.mark.parametrize("sample", [CHATGPT, WHATSAPP], ids=lambda sample: sample.stem)
KEY = "AKIAIOSFODNN7EXAMPLE"  # of the documentation of AWS
READER = Reader("You", {"en": 1.0}, None)
Analysed = Callable[[bytes | str], Analysis]


@pytest.fixture
def analysed(tmp_path: Path) -> Analysed:
    def run(content: bytes | str) -> Analysis:
        file = tmp_path / "export"
        file.write_bytes(content if isinstance(content, bytes) else content.encode())
        return analyse(file, workspace=tmp_path)

    return run


def messages(file: Path, format: str) -> list[Message]:
    return [message for batch in formats()[format].read(part_of(file), Skipped(), lambda at: None) for message in batch]


class English(Hearing):
    """Hears an English chat, however little is said."""

    def _told(self, block: Sequence[Message]) -> Language:
        return LANGUAGES["en"]


def told(*batches: list[Message]) -> list[Insight]:
    """What the reducers say after these batches."""
    reducers, hearing = [reducer() for reducer in REDUCERS], English()
    for portion in map(hearing.hear, batches):
        for reducer in reducers:
            reducer.update(portion)
    return [insight for reducer in reducers for insight in reducer.result(READER)]


def merged(*parts: list[Message]) -> list[Insight]:
    """What the reducers say when each part was read by its own and they were added up in order."""
    insights: list[Insight] = []
    for reducer in REDUCERS:
        first, *others = [reducer() for _ in parts]
        for one, part in zip([first, *others], parts, strict=True):
            one.update(English().hear(part))
        for other in others:
            first.merge(cast(Any, other))
        insights += first.result(READER)
    return insights


def said(text: str, speaker: str = "You", *, minute: float = 0, talk: str = "t", n: int = 0, **more: Any) -> Message:
    role = "assistant" if speaker == "ChatGPT" else "person"
    at = datetime(2026, 3, 2, 9, tzinfo=UTC) + timedelta(minutes=minute)
    fields: dict[str, Any] = {"kind": "text", "visible": True, "reply_to": "", **more}
    return Message(talk, f"{talk}/{n}", speaker, role, at, text, offset=n * 100, **fields)


def chat(*rows: tuple[float, str, str]) -> list[Message]:
    return [said(text, speaker, minute=minute, n=n) for n, (minute, speaker, text) in enumerate(rows)]


def kinds(insights: list[Insight]) -> dict[str, Insight]:
    return {insight.kind: insight for insight in insights}


# The samples


@BOTH
def test_a_sample_gives_at_least_six_insights_with_evidence_and_a_next_step(sample: Path, tmp_path: Path) -> None:
    analysis = analyse(sample, workspace=tmp_path)
    assert len(analysis.insights) >= 6
    for insight in analysis.insights:
        assert insight.evidence and insight.action and insight.method and insight.n > 0
        assert 0 < insight.confidence <= 1
    assert (analysis.language, analysis.quality, len(analysis.personas)) == ("en", 1.0, 3)


@BOTH
def test_the_same_file_gives_the_same_bytes(sample: Path, tmp_path: Path) -> None:
    copy = tmp_path / "another name"
    copy.write_bytes(sample.read_bytes())
    assert encoded(analyse(sample, workspace=tmp_path)) == encoded(analyse(copy, workspace=tmp_path))


def test_the_same_file_gives_the_same_bytes_in_processes_that_hash_differently(tmp_path: Path) -> None:
    script = "import sys; from pathlib import Path; from soulfra.analysis import analyse, encoded; sys.stdout.buffer.write(encoded(analyse(Path(sys.argv[1]), workspace=Path(sys.argv[2]))))"
    results = {
        subprocess.run(
            [sys.executable, "-c", script, str(WHATSAPP), str(tmp_path)], check=True, capture_output=True, env={**os.environ, "PYTHONHASHSEED": seed}
        ).stdout
        for seed in ("1", "2", "3")
    }  # fmt: skip
    assert len(results) == 1


def records(file: Path, format: str) -> Iterator[tuple[str, int, str]]:
    """(message id, offset, text of the record) as an independent reader sees them."""
    content = file.read_bytes()
    if format == "whatsapp":
        at = 0
        for number, line in enumerate(content.split(b"\n"), 1):
            yield f"line {number}", at, line.decode()
            at += len(line) + 1
    else:
        text, at, decoder = content.decode(), 1, json.JSONDecoder()
        while (at := text.find("{", at)) >= 0:
            talk, end = decoder.raw_decode(text, at)
            for id, node in talk["mapping"].items():
                yield id, len(text[:at].encode()), json.dumps(node["message"], ensure_ascii=False)
            at = end


@BOTH
def test_each_piece_of_evidence_is_found_again_in_the_file_at_its_place(sample: Path, tmp_path: Path) -> None:
    analysis = analyse(sample, workspace=tmp_path)
    there = {(id, offset): record for id, offset, record in records(sample, analysis.format)}
    shown = [piece for insight in analysis.insights for piece in insight.evidence]
    assert len(shown) > 15
    for piece in shown:
        line = masked(there[piece.message_id, piece.offset])
        beginning = piece.quote.removesuffix("…").split("\n")[0]
        assert beginning in line or json.dumps(beginning, ensure_ascii=False)[1:-1] in line


@BOTH
def test_no_secret_and_no_address_of_a_sample_is_in_its_result(sample: Path, tmp_path: Path) -> None:
    result = encoded(analyse(sample, workspace=tmp_path)).decode()
    assert "@example.com" in sample.read_text() and "@example.com" not in result
    assert KEY not in result
    assert (KEY in sample.read_text()) == ("AK•••" in result)


def test_the_chatgpt_sample_has_every_trap_of_its_format() -> None:
    read = messages(CHATGPT, "chatgpt")
    export = json.loads(CHATGPT.read_text())
    assert {"thoughts", "execution_output", "user_editable_context", "code"} <= {
        node["message"]["content"]["content_type"]
        for talk in export
        for node in talk["mapping"].values()
        if node["message"]
    }
    assert sum(message.visible and message.role == "person" for message in read) >= 40
    assert any(not message.visible and message.kind == "text" and message.role == "assistant" for message in read)
    assert any(message.at is None for message in read) and None in [talk["title"] for talk in export]
    assert len(CHATGPT.read_bytes()) <= 150_000


def test_the_whatsapp_sample_has_three_people_media_system_lines_and_several_lines() -> None:
    read = messages(WHATSAPP, "whatsapp")
    assert len(read) >= 260 and len({message.speaker for message in read if message.role == "person"}) == 3
    assert {"text", "media", "system", "deleted"} == {message.kind for message in read}
    assert any("\n" in message.text for message in read)


# Merging


def parts_of(read: list[Message], cuts: list[int]) -> list[list[Message]]:
    """The messages in pieces that end where a conversation ends."""
    names = list(dict.fromkeys(message.conversation for message in read))
    edges = [0, *sorted({1 + cut % (len(names) - 1) for cut in cuts}), len(names)]
    groups = [set(names[a:b]) for a, b in pairwise(edges)]
    return [[message for message in read if message.conversation in group] for group in groups]


@settings(max_examples=40, deadline=None)
@given(cuts=st.lists(st.integers(0, 100), min_size=1, max_size=4))
def test_parts_of_a_file_cut_between_conversations_merge_into_the_insights_of_the_whole(cuts: list[int]) -> None:
    read = messages(CHATGPT, "chatgpt")
    assert merged(*parts_of(read, cuts)) == told(read)


@settings(max_examples=40, deadline=None)
@given(cuts=st.lists(st.integers(1, 276), max_size=5))
def test_batches_of_any_size_give_the_same_insights(cuts: list[int]) -> None:
    read = messages(WHATSAPP, "whatsapp")
    edges = [0, *sorted(cuts), len(read)]
    assert told(*[read[a:b] for a, b in pairwise(edges)]) == told(read)


LINES = st.sampled_from(
    ["I'll send the invoice for the flour", "invoice for the flour is sent, done", "Is the oven warm?", "We agreed, rye.",
     "ok", "no, that is wrong", "my key is AKIAIOSFODNN7EXAMPLE", "```py\nx\n```", "I will never know about the invoice flour"]
)  # fmt: skip
TALKS = st.lists(
    st.lists(st.tuples(LINES, st.sampled_from(["You", "ChatGPT", "Eve"]), st.integers(0, 3000)), min_size=1, max_size=60),
    min_size=2, max_size=5,
)  # fmt: skip


@settings(max_examples=60, deadline=None)
@given(talks=TALKS, cut=st.integers(0, 100))
def test_any_two_halves_cut_between_conversations_merge_into_the_whole(talks: list[Any], cut: int) -> None:
    read = [
        said(text, speaker, minute=minute, talk=f"t{k}", n=1000 * k + n)
        for k, talk in enumerate(talks)
        for n, (text, speaker, minute) in enumerate(talk)
    ]
    assert merged(*parts_of(read, [cut])) == told(read)


def test_more_promises_than_are_watched_merge_too() -> None:
    read = [
        said(f"I'll bake the cake number {n}", talk=f"t{n % 2}", n=n) for n in sorted(range(600), key=lambda n: n % 2)
    ]
    assert merged(*parts_of(read, [0])) == told(read)


def test_equal_messages_at_equal_places_in_two_shards_are_both_evidence() -> None:
    best = Best()
    for talk in ("a", "b"):
        best.add(1, Message(talk, "same", "You", "person", None, "hi", "text", True, "", 7))
    assert [piece.conversation for piece in best.evidence()] == ["a", "b"]


# What each one says


def test_a_question_is_open_when_no_one_else_speaks_after_it() -> None:
    rows = [(float(n), "Bob" if n % 2 else "Eve", "Is it done?" if n % 2 else "yes it is done") for n in range(24)]
    insight = kinds(told(chat(*rows, (30, "Eve", "ok"), (31, "Bob", "Who has the big brown key?"))))["open_loops"]
    assert (insight.value, insight.n) == (round(1 / 13, 4), 13)
    assert [piece.quote for piece in insight.evidence] == ["Who has the big brown key?"]


def test_a_question_answered_only_after_a_day_and_five_further_messages_was_left_open() -> None:
    asked = [(float(n), "Bob" if n % 2 else "Eve", "Is it done?" if n % 2 else "yes") for n in range(20)]
    alone = [(100.0, "Bob", "Who has the key?"), *((101.0 + n, "Bob", "and more") for n in range(5))]
    late, soon = (100.0 + 60 * 25, "Eve", "me"), (110.0, "Eve", "me")
    assert kinds(told(chat(*asked, (50, "Eve", "ok"), *alone, late)))["open_loops"].n == 11
    assert "open_loops" not in kinds(told(chat(*asked, (50, "Eve", "ok"), *alone, soon)))


def test_a_promise_is_closed_by_its_makers_done_about_the_same_thing() -> None:
    promises = [
        (0.0, "Bob", "I'll order the yellow flour"),
        (1.0, "Bob", "I'll call the miller"),
        (2.0, "Eve", "I'll clean the oven"),
    ]
    insight = kinds(
        told(chat(*promises, (9, "Eve", "yellow flour is sent"), (10, "Bob", "order of the yellow flour is done")))
    )
    assert insight["commitments"].value == 2
    assert [piece.quote for piece in insight["commitments"].evidence] == [
        "I'll call the miller",
        "I'll clean the oven",
    ]


def test_a_promise_in_one_conversation_is_not_closed_by_another() -> None:
    there = [said("I'll order the yellow flour", n=n) for n in range(3)]
    elsewhere = [said("order of the yellow flour is done", talk="u", n=9)]
    assert kinds(told(there, elsewhere))["commitments"].value == 3


def test_decisions_are_peoples_and_not_the_assistants() -> None:
    rows = [
        (0.0, "You", "let's go with rye"),
        (1.0, "ChatGPT", "Agreed, rye."),
        (2.0, "You", "We decided on three slots"),
    ]
    assert kinds(told(chat(*rows)))["decisions"].n == 2


def test_the_one_who_lets_others_wait_is_named() -> None:
    rows = [
        (n * 100.0, "Bob", "hello") if k == 0 else (n * 100.0 + 30, "Eve", "hi") for n in range(30) for k in range(2)
    ]
    insight = kinds(told(chat(*rows)))["response_time"]
    assert insight.statement.startswith("Bob answers Eve after 1.2 hours")
    assert (insight.value, insight.unit) == (70 * 60, "seconds")


def test_someone_who_only_ever_answers_with_pictures_is_no_error() -> None:
    read = [
        said("hello", "Bob", minute=n * 100, n=2 * n) if k == 0
        else said("<Media omitted>", "Eve", minute=n * 100 + 80, n=2 * n + 1, kind="media", visible=False)
        for n in range(30) for k in range(2)
    ]  # fmt: skip
    insight = kinds(told(read))["response_time"]
    assert insight.statement.startswith("Eve answers Bob") and insight.evidence == ()


def test_whoever_writes_most_and_opens_most_is_named() -> None:
    rows = [
        (n * 1000.0, "Bob", "a b c") if k == 0 else (n * 1000.0 + 1, "Eve", "d") for n in range(30) for k in range(2)
    ]
    statement = kinds(told(chat(*rows)))["balance"].statement
    assert statement == "Bob writes 75% of all words (even would be 50%); Bob opens 100% of the sessions."


def test_the_busiest_hour_and_the_nights_are_counted() -> None:
    evening = [said("hi", "Bob", minute=14 * 60 + n / 10, n=n) for n in range(100)]  # 23:00 on a Monday
    morning = [said("hi", "Bob", minute=60 * 24 + n / 10, n=200 + n) for n in range(101)]
    insight = kinds(told(evening + morning))["rhythm"]
    assert (insight.value, insight.n) == (round(100 / 201, 4), 201)
    assert "Tuesday 9:00" in insight.statement and insight.caveats == ("times are UTC, not the writers' own",)
    assert "rhythm" not in kinds(told(evening))


def test_regenerated_answers_corrections_code_and_lone_prompts_are_counted() -> None:
    read: list[Message] = []
    for n in range(0, 120, 4):
        read += [said("No, that's wrong" if n == 8 else "Make a table", talk=f"t{n // 8}", n=n)]
        read += [
            said("```x```" if n == 4 else "Here", "ChatGPT", talk=f"t{n // 8}", n=n + 1, reply_to=f"t{n // 8}/{n}")
        ]
        if n == 0:
            read += [said("Other", "ChatGPT", talk="t0", n=2, reply_to="t0/0", visible=False)]
    read += [said("Just once", talk="alone", n=500), said("ok", "ChatGPT", talk="alone", n=501)]
    values = {kind: (one.value, one.n) for kind, one in kinds(told(read)).items()}
    assert values["assistant_regenerated"] == (round(1 / 31, 4), 31)
    assert values["assistant_code"] == (round(1 / 31, 4), 31)
    assert values["assistant_single"] == (round(1 / 16, 4), 16)
    assert "assistant_rework" not in values  # it opens a conversation, so there is nothing to correct


def test_words_of_an_unknown_language_withhold_what_rests_on_words(analysed: Analysed) -> None:
    rows = "".join(
        f"[20/05/2026, 10:{n:02}:00] {'Bob' if n % 2 else 'Eve'}: Missä leipä on? I'll, agreed, decided\n"
        for n in range(60)
    )
    analysis = analysed(rows)
    assert analysis.language == "unknown"
    assert not {"open_loops", "commitments", "decisions"} & set(kinds(list(analysis.insights)))
    assert "balance" in kinds(list(analysis.insights))


def test_german_is_read_as_english_is(analysed: Analysed) -> None:
    lines = ["Ich schick dir das Angebot bis morgen", "Wann kommt der Lieferant?", "ok dann machen wir es so, wir haben uns für Postgres entschieden",
             "Wir haben beschlossen, den Laden am Montag zu schließen", "Ich ruf den Elektriker morgen an", "Kannst du bitte die Rechnung überweisen?",
             "Der Drucker geht schon wieder nicht", "die Folien sind fertig und hochgeladen"]  # fmt: skip
    rows = "".join(
        f"[20/05/2026, {9 + n // 60}:{n % 60:02}:00] {'Bob' if n % 3 else 'Eve'}: {lines[n % len(lines)]}\n"
        for n in range(120)
    )
    analysis = analysed(rows)
    assert analysis.language == "de"
    assert {"commitments", "decisions", "friction", "tasks"} <= set(kinds(list(analysis.insights)))


def test_tasks_trouble_and_chances_are_told_with_who_and_whether() -> None:
    rows: list[tuple[float, str, str]] = []
    for n in range(6):
        rows += [
            (n * 100.0, "Bob", "@Eve please send the invoice to the printer by Friday"),
            (n * 100.0 + 1, "Eve", "the label printer is broken again, I can't print anything"),
            (n * 100.0 + 2, "Bob", "A hotel wants to buy 50 loaves a week, can you send them a quote for that?"),
        ]
    rows.append((1000.0, "Eve", "Could you send us a quote for 200 printed tote bags?"))
    found = kinds(told(chat(*rows)))
    assert found["tasks"].n >= 6 and "Bob asked" in found["tasks"].statement
    assert "5 of them of one that had been told before" in found["friction"].statement
    assert found["opportunities"].value == 1  # the last one: nobody said a word after it
    assert found["opportunities"].evidence[0].quote.startswith("Could you send us a quote")


def test_a_subject_that_comes_up_later_is_told() -> None:
    rows = []
    for n in range(60):
        word = "warehouse" if n > 30 and n % 2 else "bicycle" if n < 30 and n % 2 else "weather"
        always = ("kitchen", "invoice", "holiday", "printer")[n % 4]
        rows.append(
            (n * 1000.0, "Bob" if n % 2 else "Eve", f"we talked about the {word} and the {always} and it was fine")
        )
    insight = kinds(told(chat(*rows)))["topics"]
    assert insight.statement.startswith("warehouse") and insight.statement.split("; ")[1].startswith("bicycle")


def test_the_turn_of_the_tone_is_found_where_it_was() -> None:
    good = [
        (n * 10.0, "Bob" if n % 2 else "Eve", "that is wonderful, I love it, thank you so much") for n in range(150)
    ]
    bad = [
        (2000 + n * 10.0, "Bob" if n % 2 else "Eve", "this is terrible, I am so angry and disappointed")
        for n in range(150)
    ]
    insight = kinds(told(chat(*good, *bad)))["tone"]
    assert insight.value == -2.0 and insight.statement.endswith("100% were good before, 0% after.")
    assert insight.evidence[0].quote.startswith("this is terrible")
    assert "tone" not in kinds(told(chat(*good)))


def test_who_ends_questions_and_who_carries_the_months_is_told() -> None:
    asked = [(n * 600.0 + k, ("Eve", "Bob", "Eve")[k], ("Where is the key of the cellar?", "it hangs behind the kitchen door", "thanks")[k])
             for n in range(15) for k in range(3)]  # fmt: skip
    other = [
        (10_000.0 + k, ("Bob", "Eve")[k], ("When does the train leave?", "at half past nine from platform two")[k])
        for k in range(2)
    ]
    insight = kinds(told(chat(*asked, *other)))["holders"]
    assert insight.statement.startswith("Bob's answer ended 15 of 16 questions")
    month = 60.0 * 24 * 31
    early = [(n * 10.0, "Bob" if n % 2 else "Eve", "hello there") for n in range(40)]
    middle = [(month + n * 10.0, "Bob" if n % 2 else "Eve", "hello there") for n in range(40)]
    late = [(2 * month + n * 10.0, "Eve" if n % 8 else "Bob", "hello there") for n in range(40)]
    drift = kinds(told(chat(*early, *middle, *late)))["drift"]
    assert drift.statement == "Eve wrote 50% of the messages in 2026-03 and 88% in 2026-05."


def test_too_little_gives_no_insight_and_no_error(analysed: Analysed) -> None:
    assert analysed("[20/05/2026, 10:00:00] Bob: hi\n").insights == ()
    with pytest.raises(Unreadable):
        analysed("[20/05/2026, 10:00:00] Bob: <Media omitted>\n")


# Private things

PRIVATE = {
    "mail address": "maya@example.com",
    "secret key": KEY,
    "private key": "-----BEGIN RSA PRIVATE KEY-----",
    "token": "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.c2lnbmF0dXJlLW9mLWl0",
    "bank account": "DE89 3704 0044 0532 0130 00",
    "payment card": "4111 1111 1111 1111",
    "phone number": "+49 170 1234567",
}


@pytest.mark.parametrize(("kind", "secret"), PRIVATE.items())
def test_each_private_thing_is_named_by_its_kind_and_masked(kind: str, secret: str) -> None:
    text = f"this is {secret}, keep it"
    assert [one.kind for one in found(text)] == [kind]
    assert secret not in masked(text) and masked(text).endswith("•••, keep it")


@pytest.mark.parametrize(
    "text", ["4111 1111 1111 1112", "DE89 3704 0044 0532 0130 02", "order 2026-11-20 at 12:30", "a@b"]
)
def test_numbers_that_fail_their_check_are_not_private(text: str) -> None:
    assert list(found(text)) == [] and masked(text) == text


def accounts() -> Iterator[str]:
    for n in range(400):
        digits = f"{370400440532013000 + 7919 * n}"
        account = f"DE{98 - int(f'{digits}131400') % 97:02}{digits}"
        yield " ".join(account[at : at + 4] for at in range(0, len(account), 4))


def test_what_passes_as_two_private_things_is_masked_once_and_what_follows_stays() -> None:
    twice = [account for account in accounts() if len(list(found(account))) > 1]
    assert twice
    for account in twice:
        assert masked(f"pay {account}, then bring the two baskets back") == "pay DE•••, then bring the two baskets back"


@settings(max_examples=80, deadline=None)
@given(
    chosen=st.lists(st.sampled_from(sorted(PRIVATE.values())), min_size=1, max_size=5),
    between=st.lists(st.text("abc .,\n", max_size=90), min_size=6, max_size=6),
)
def test_a_quote_shows_no_private_thing_wherever_it_stands_or_is_cut(chosen: list[str], between: list[str]) -> None:
    text = between[0] + "".join(f" {secret} {gap}" for secret, gap in zip(chosen, between[1:], strict=False))
    shown = quote(text)
    assert len(shown) <= QUOTE
    assert not any(secret in shown or secret[:12] in shown for secret in chosen)


@pytest.mark.parametrize("secret", PRIVATE.values())
def test_every_quote_of_every_insight_is_masked(secret: str, analysed: Analysed) -> None:
    pieces = ["I'll send it", "Is it here?", "we decided that", "let's go with it", "I will do it", "the and to of a"]
    noise = random.Random(3)
    rows = "".join(
        f"[{1 + n // 24:02}/05/2026, {n % 24:02}:00:00] {'Bob' if n % 2 else 'Eve'}: {noise.choice(pieces)} {secret}\n"
        for n in range(260)
    )
    analysis = analysed(rows)
    assert {"exposure", "commitments", "decisions", "rhythm", "balance"} <= set(kinds(list(analysis.insights)))
    assert secret not in encoded(analysis).decode()
    assert analysis.secrets == 260


# Style and personalities


def test_a_style_is_the_uploaders_own_and_has_its_ranges(tmp_path: Path) -> None:
    style = analyse(CHATGPT, workspace=tmp_path).style
    assert style["n"] == 45 and style["length"] > 0 and -1 <= style["positive"] <= 1
    assert all(0 <= value <= 1 for name, value in style.items() if name not in ("n", "length", "positive"))


def test_a_style_that_is_a_profile_is_nearest_to_it() -> None:
    for one in persona.PERSONAS:
        style = {
            name: persona.USUAL[name][0] + one.profile.get(name, 0.0) * persona.USUAL[name][1] for name in persona.USUAL
        }
        style["length"] = 2.718281828459045 ** style["length"] - 1
        fits = persona.fits(style)
        assert fits[0].persona == one.id and fits[0].closeness == pytest.approx(1, abs=0.001)
        assert len(fits) == persona.SHOWN and all(len(fit.because) == persona.DECIDING for fit in fits)
    assert persona.fits({}) == ()


def test_the_same_conversations_in_another_order_are_the_same_content(analysed: Analysed) -> None:
    export = json.loads(CHATGPT.read_text())
    one, other = analysed(json.dumps(export)), analysed(json.dumps(export[::-1]))
    assert (one.content, one.fingerprints) == (other.content, other.fingerprints)
    assert analysed(json.dumps(export[1:])).content != one.content
