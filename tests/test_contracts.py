"""What is said once: contracts, topics, privacy; and that changing them carelessly fails."""

from __future__ import annotations

import copy
import json
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas import EVENTS, AgentSuggested, Event, Malformed, TrustUpdated, UsageRecorded, wire
from schemas.avro import Undescribed, contract
from schemas.evolution import stricter
from schemas.frozen import FIRST_ID, Frozen, broken, frozen, mistakes
from schemas.persona import Feature
from schemas.trust import Reason, Tier
from schemas.wire import decode, encode
from topics import TABLES, TOPICS, everything, topic_of
from topics.document import asyncapi, table
from topics.place import Position, partition_of

NOON = datetime(2026, 11, 1, 12, tzinfo=UTC)


def test_every_contract_is_frozen_as_it_is() -> None:
    assert mistakes(EVENTS) == []
    assert [one.id for one in frozen()] == list(range(FIRST_ID, FIRST_ID + len(frozen())))


def test_a_field_without_a_privacy_class_is_named() -> None:
    class SoulSold(Event):
        """A soul was sold."""

        price: int

    with pytest.raises(Undescribed, match=r"SoulSold\.price has no privacy class"):
        contract(SoulSold)


def changed(change: str) -> dict[str, Any]:
    now = copy.deepcopy(contract(TrustUpdated))
    fields = {field["name"]: field for field in now["fields"]}
    match change:
        case "removed":
            now["fields"].remove(fields["model"])
        case "renamed":
            fields["old"]["name"] = "former"
        case "retyped":
            fields["new"]["type"] = "string"
        case "added without default":
            now["fields"].append({"name": "why", "type": "string"})
        case "added with default":
            now["fields"].append({"name": "why", "type": "string", "default": ""})
        case "logical type":
            fields["old"]["type"] = {"type": "long", "logicalType": "timestamp-micros"}
        case "enum without default":
            fields["tier"]["type"].pop("default")
        case "enum grown":
            fields["tier"]["type"]["symbols"].append("DIAMOND")
        case "inside a part":
            fields["reasons"]["type"]["items"]["fields"].pop()
    return now


@pytest.mark.parametrize(
    ("change", "names"),
    [
        ("removed", "TrustUpdated.model"),
        ("renamed", "TrustUpdated.old"),
        ("retyped", "/fields/1/type"),
        ("added without default", "TrustUpdated.why"),
        ("logical type", "TrustUpdated.old"),
        ("enum without default", "TrustUpdated.tier"),
        ("inside a part", "TrustUpdated.reasons.points"),
    ],
)
def test_an_incompatible_change_is_refused_and_the_field_is_named(change: str, names: str) -> None:
    old = [Frozen(FIRST_ID, "TrustUpdated", 1, contract(TrustUpdated))]
    assert names in "\n".join(broken(changed(change), old))


@pytest.mark.parametrize("change", ["added with default", "enum grown"])
def test_an_addition_is_taken(change: str) -> None:
    assert broken(changed(change), [Frozen(FIRST_ID, "TrustUpdated", 1, contract(TrustUpdated))]) == []


ENUM = {"type": "enum", "name": "Tone", "symbols": ["UNKNOWN", "CALM", "LOUD"], "default": "UNKNOWN"}
AMOUNT = {"type": "bytes", "logicalType": "decimal", "precision": 38, "scale": 9}
NOTE = {"type": "record", "name": "Note", "fields": [{"name": "tone", "type": ENUM}, {"name": "n", "type": "long"}]}
PLACES: dict[str, Any] = {
    "as it is": lambda type_: type_,
    "in a list": lambda type_: {"type": "array", "items": type_},
    "in a map": lambda type_: {"type": "map", "values": type_},
    "in a union": lambda type_: ["null", type_],
    "in a part in a list": lambda type_: {
        "type": "array",
        "items": {"type": "record", "name": "Part", "fields": [{"name": "x", "type": type_}]},
    },
}
CHANGES: dict[str, tuple[Any, Any, str]] = {
    "a symbol gone": (ENUM, {**ENUM, "symbols": ["UNKNOWN", "CALM"]}, "LOUD were published and are gone"),
    "a symbol renamed": (ENUM, {**ENUM, "symbols": ["UNKNOWN", "CALM", "NOISY"]}, "LOUD"),
    "symbols in another order": (ENUM, {**ENUM, "symbols": ["UNKNOWN", "LOUD", "CALM"]}, "order"),
    "a symbol in between": (ENUM, {**ENUM, "symbols": ["UNKNOWN", "SOFT", "CALM", "LOUD"]}, "order"),
    "another default symbol": (ENUM, {**ENUM, "default": "CALM"}, "default UNKNOWN"),
    "an enum renamed": (ENUM, {**ENUM, "name": "Mood"}, "Tone to Mood|union may not change"),
    "an enum in another namespace": (ENUM, {**ENUM, "namespace": "other"}, "Tone to other.Tone|union may not change"),
    "a part renamed": (NOTE, {**NOTE, "name": "Notice"}, "Note to Notice|union may not change"),
    "an alias gone": ({**NOTE, "aliases": ["Memo"]}, NOTE, "aliases Memo are gone"),
    "text to bytes": ("string", "bytes", "string to bytes|union may not change"),
    "another scale": (AMOUNT, {**AMOUNT, "scale": 12}, "scale may not change"),
    "a branch gone": (["null", "long", "string"], ["null", "string"], "union may not change"),
    "branches in another order": (["null", "long", "string"], ["null", "string", "long"], "union may not change"),
    "other elements": ({"type": "array", "items": "int"}, {"type": "array", "items": "long"}, "int to long"),
    "other values": ({"type": "map", "values": "float"}, {"type": "map", "values": "double"}, "float to double"),
}


def holding(type_: Any, **more: Any) -> dict[str, Any]:
    return {
        "type": "record",
        "name": "SoulSold",
        "namespace": "soulfra",
        "fields": [{"name": "f", "type": type_, **more}],
    }


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("change", CHANGES)
def test_nothing_published_vanishes_or_changes_its_name_unnoticed(change: str, place: str) -> None:
    before, after, says = CHANGES[change]
    if place == "in a union" and isinstance(before, list):
        pytest.skip("a union is no branch of a union")
    wrong = "\n".join(stricter(holding(PLACES[place](before)), holding(PLACES[place](after))))
    assert "SoulSold.f" in wrong and re.search(says, wrong), wrong


@pytest.mark.parametrize(
    ("before", "after", "says"),
    [
        ({"default": 1}, {"default": True}, "default may not change"),
        ({"default": 1}, {}, "default may not change"),
        ({"aliases": ["g"]}, {}, "aliases g are gone"),
        ({"privacy": "pseudonym"}, {"privacy": "open"}, "weaker"),
        ({"privacy": "measure"}, {}, "weaker"),
    ],
)
def test_what_stands_beside_a_field_is_part_of_the_contract(before: Any, after: Any, says: str) -> None:
    assert says in "\n".join(stricter(holding("long", **before), holding("long", **after)))


def test_words_about_a_field_and_a_stricter_privacy_class_may_change() -> None:
    before, after = holding("long", privacy="open"), holding("long", privacy="measure", doc="counted")
    assert list(stricter(before, {**after, "doc": "in other words"})) == []


def test_a_type_may_be_written_out_at_another_place_than_before() -> None:
    used = {"name": "g", "type": "soulfra.Tone"}
    before = holding({**ENUM, "namespace": "soulfra"})
    before["fields"].append(used)
    after = copy.deepcopy(before)
    after["fields"].insert(0, {"name": "e", "type": after["fields"][0]["type"], "default": "UNKNOWN"})
    after["fields"][1]["type"] = "soulfra.Tone"
    assert list(stricter(before, after)) == []


def test_a_vanished_symbol_of_a_published_event_fails_the_check() -> None:
    now = copy.deepcopy(contract(TrustUpdated))
    next(field for field in now["fields"] if field["name"] == "tier")["type"]["symbols"].remove("GOLD")
    assert "GOLD" in "\n".join(broken(now, [Frozen(FIRST_ID, "TrustUpdated", 1, contract(TrustUpdated))]))


@given(
    quantity=st.decimals(min_value=0, max_value=10**9, places=9),
    user=st.from_regex(r"u_[a-f0-9]{1,20}", fullmatch=True),
)
def test_what_is_encoded_is_decoded(quantity: Any, user: str) -> None:
    event = UsageRecorded(
        id="1", source="test", time=NOON, user=user, meter="m", quantity=f"{quantity:f}", occurred_at=NOON
    )
    assert decode(*encode(event)) == event


def test_parts_and_enums_travel_too() -> None:
    moved = TrustUpdated(id="1", source="s", time=NOON, user="u", old=1, new=2, tier=Tier.GOLD, model=1,
                         reasons=[Reason(code="quality", points=1)], chat_id="c")  # fmt: skip
    suggested = AgentSuggested(id="1", source="s", time=NOON, user="u", agent_id="a", chat_id="c", persona="spark", closeness=0.5,
                               because=[Feature(name="casual", value=1.0, profile=1.5)], tier=Tier.BRONZE, model=1)  # fmt: skip
    assert decode(*encode(moved)) == moved and decode(*encode(suggested)) == suggested


def test_invented_schema_ids_leave_nothing_behind() -> None:
    event = UsageRecorded(id="1", source="s", time=NOON, user="u", meter="m", quantity="1")
    record = encode(event)
    before = wire._reader.cache_info().currsize
    for schema_id in (0, 5, 2**30 + 5_000, 2**32 - 1):
        with pytest.raises(Malformed):
            decode(*record._replace(value=wire.FRAME.pack(0, schema_id) + record.value[wire.FRAME.size :]))
    assert wire._reader.cache_info().currsize == before


def test_a_derived_event_has_a_derived_id() -> None:
    cause = UsageRecorded(id="1", source="s", time=NOON, user="u", meter="m", quantity="1")
    ids = {cause.causes(UsageRecorded, n, meter="m", quantity="1").id for n in (0, 0, 1)}
    assert len(ids) == 2


def test_every_event_is_said_on_one_topic_and_every_topic_has_a_writer() -> None:
    assert [sum(event in topic.events for topic in TOPICS) for event in EVENTS] == [1] * len(EVENTS)
    assert all(topic.written_by for topic in TOPICS)
    assert topic_of(UsageRecorded).name == "usage.recorded"


def test_dead_letters_and_changelogs_derive_from_the_catalogue() -> None:
    assert {topic.dead for topic in TOPICS} | {table.changelog for table in TABLES} <= set(everything())
    assert everything()["soulfra-tables-usage.v3-changelog"]["cleanup.policy"] == "compact"
    assert everything()["usage.recorded"]["retention.ms"] == "-1"


def test_the_docs_hold_the_catalogue() -> None:
    page = (Path(__file__).parents[1] / "docs" / "topics.md").read_text()
    assert page.partition("<!-- topics -->\n")[2].partition("\n<!-- /topics -->")[0].strip() == table().strip()


def test_asyncapi_names_every_topic_and_holds_every_contract() -> None:
    document = asyncapi("localhost:9092")
    assert set(document["channels"]) == {topic.name for topic in TOPICS}
    assert set(document["components"]["messages"]) == {event.__name__ for event in EVENTS}
    json.dumps(document)


def test_keys_lie_where_java_puts_them() -> None:
    """Values of org.apache.kafka.common.utils.Utils.murmur2, from Kafka's own UtilsTest."""
    assert [partition_of(key, 2**31) for key in (b"21", b"foobar", b"a-little-bit-long-string")] == [
        -973932308 & 0x7FFFFFFF, -790332482 & 0x7FFFFFFF, -985981536 & 0x7FFFFFFF,
    ]  # fmt: skip


@pytest.mark.parametrize(
    "text", ["", "usage.recorded", "usage.recorded/3", "usage.recorded/x@1", "Usage/1@1", "a/1@" + "9" * 30]
)
def test_a_text_that_is_no_position_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="looks like"):
        Position.parse(text)


def test_a_position_is_read_as_it_is_written() -> None:
    assert str(Position.parse("usage.recorded/3@1042")) == "usage.recorded/3@1042"
