"""Attributes of CloudEvents: which texts are ids, sources and extensions, and how a header stands for one."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from api.cloudevents import URI_REFERENCE, decoded, not_json
from api.problem import Problem
from schemas import UsageRecorded
from schemas.extensions import NoExtension, extensions_of, is_traceparent
from schemas.fields import CONTROLS
from schemas.wire import decode, encode

TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
SAFE = "".join(chr(n) for n in range(0x21, 0x7F) if chr(n) not in '"%')  # HTTP binding 3.1.3.2
TEXTS = st.text(st.characters(codec="utf-8"), min_size=1, max_size=64).filter(lambda text: not CONTROLS.search(text))


def used(id: str, source: str = "shop") -> UsageRecorded:
    return UsageRecorded(
        id=id, source=source, time=datetime(2026, 11, 1, tzinfo=UTC), user="u", meter="calls", quantity="1"
    )


@given(id=TEXTS)
def test_an_id_comes_back_from_the_wire_and_from_a_header_as_it_was(id: str) -> None:
    record = encode(used(id))
    assert decode(*record).id == id and dict(record.headers)["ce_id"] == id.encode()
    assert decoded("id", quote(id, safe=SAFE).encode()) == id


@pytest.mark.parametrize("id", ["é" * 128, "a" * 256, "😀" * 64, "a b", "%", "..", "/", " ", "\u202d", "ß\u0301"])
def test_an_id_is_any_text_of_256_bytes(id: str) -> None:
    assert used(id).id == id


@pytest.mark.parametrize(
    "id",
    ["", "a" * 257, "é" * 129, "a\n", "\x00", "\x1b[31m", "\x7f", "\x85", "a\u2028b", "\u2029", "\ufdd0", "\U0010ffff",
     "\ud800"],
)  # fmt: skip
def test_an_id_that_is_too_long_or_could_begin_a_line_of_a_log_is_refused(id: str) -> None:
    with pytest.raises(ValidationError, match=r"it holds|it has 1 to 256 bytes|unicode"):
        used(id)


@pytest.mark.parametrize(
    ("header", "text"),
    [
        (b"Euro%20%E2%82%AC%20%F0%9F%98%80", "Euro € 😀"),
        ("Euro €".encode(), "Euro €"),
        (b"%61b", "ab"),
        (b"%e2%82%ac", "€"),
        (b"a%2520b", "a%20b"),
        (b"100%", "100%"),
        (b"%zz%4", "%zz%4"),
        (b"a+b", "a+b"),
        (b'"a b"', "a b"),
        (rb'"a \"b\" \\ %41"', 'a "b" \\ A'),
        (b'"', '"'),
        (b'"a" "b"', '"a" "b"'),
        (b"", ""),
    ],
)
def test_a_header_is_unquoted_and_percent_decoded_once(header: bytes, text: str) -> None:
    assert decoded("id", header) == text


@pytest.mark.parametrize("header", [b"%ff", b"%C0%A0", b"\xff", b"%ED%A0%80", b"%E2%82"])
def test_a_header_that_is_not_utf_8_is_refused(header: bytes) -> None:
    with pytest.raises(Problem, match="ce-id is not UTF-8"):
        decoded("id", header)


@pytest.mark.parametrize(
    "source",
    ["shop", "/", "/gateway/eu-1", "https://example.org:8080/a?b=c&d=/?#e", "urn:uuid:6e8bc430-9c3a-11d9-9669-0800200c9a66",
     "//host", "//u:p@[::1]:80/x", "mailto:cncf-wg-serverless@lists.cncf.io", "a%20b", "../x", "?q", "#f", "gateway:8080",
     "http://", "a//b", "x/1:2", "file:///a", "1-555-123-4567"],
)  # fmt: skip
def test_a_source_is_a_uri_reference(source: str) -> None:
    assert URI_REFERENCE.fullmatch(source)


@pytest.mark.parametrize(
    "source", ["a b", "é", "a%2", "%zz", "<a>", "a|b", "{a}", "a\\b", '"a"', "a#b#c", "1:2", "[::1]", "//h:port/", "^"]
)
def test_what_is_no_uri_reference_is_no_source(source: str) -> None:
    assert not URI_REFERENCE.fullmatch(source)


def test_extensions_are_kept_as_their_canonical_text() -> None:
    sent = {"id": "1", "sequence": 7, "sampled": True, "dark": False, "partitionkey": "ü b", "gone": None, "empty": ""}
    texts = {"sequence": "7", "sampled": "true", "dark": "false", "partitionkey": "ü b", "empty": ""}
    assert extensions_of(sent) == texts


@pytest.mark.parametrize(
    ("attributes", "name", "says"),
    [
        ({"tenant": "other"}, "tenant", "set by Soulfra alone"),
        ({"soulfraforwarded": "x"}, "soulfraforwarded", "set by Soulfra alone"),
        ({"Colour": "red"}, "Colour", "lower-case letters"),
        ({"my-colour": "red"}, "my-colour", "lower-case letters"),
        ({"": "red"}, "", "lower-case letters"),
        ({"a" * 65: "red"}, "a" * 65, "lower-case letters"),
        ({"größe": "1"}, "größe", "lower-case letters"),
        ({"data_base64": "QQ=="}, "data_base64", "as a JSON object in data"),
        ({"n": 2**31}, "n", "integer of 32 bits"),
        ({"n": -(2**31) - 1}, "n", "integer of 32 bits"),
        ({"n": math.pi}, "n", "integer of 32 bits"),
        ({"n": []}, "n", "a text, an integer"),
        ({"n": "a\nb"}, "n", "control character"),
        ({"n": "\ud800"}, "n", "half a character"),
        ({f"e{n:02}": "x" for n in range(17)}, "e00", "at most 16"),
        ({"a": "ü" * 2048}, "a", "4096 bytes together"),
    ],
    ids=str,
)
def test_what_is_no_extension_is_refused_with_its_name(attributes: dict[str, Any], name: str, says: str) -> None:
    with pytest.raises(NoExtension, match=says) as refused:
        extensions_of(attributes)
    assert refused.value.name == name


def test_sixteen_extensions_of_4_kb_together_are_kept() -> None:
    assert len(extensions_of({f"e{n:02}": "x" * 253 for n in range(16)})) == 16


def test_extensions_are_headers_and_change_nothing_of_the_event() -> None:
    record, plain = encode(used("1"), TRACE, {"sequence": "7", "traceparent": "t"}), encode(used("1"))
    headers = dict(record.headers)
    assert (headers["ce_sequence"], headers["ce_traceparent"], headers["traceparent"]) == (b"7", b"t", TRACE.encode())
    assert decode(*record) == decode(*plain) and record.value == plain.value and record.key == plain.key


def test_headers_of_others_do_not_disturb_whatever_bytes_they_hold() -> None:
    record = encode(used("1"))
    more = [*record.headers, ("ce_signature", b"\xff\xfe"), ("x-binary", b"\x80"), ("ce_empty", None)]
    assert decode(record.key, record.value, more) == used("1")


@pytest.mark.parametrize(
    ("text", "valid"),
    [
        (TRACE, True),
        (TRACE.upper(), False),
        ("ff" + TRACE[2:], False),
        (f"00-{'0' * 32}-00f067aa0ba902b7-01", False),
        (f"00-4bf92f3577b34da6a3ce929d0e0e4736-{'0' * 16}-01", False),
        (TRACE + "\n", False),
        ("my diary, volume one", False),
        ("", False),
    ],
)
def test_a_traceparent_is_one_that_a_trace_can_be_continued_with(text: str, valid: bool) -> None:
    assert is_traceparent(text) == valid


@pytest.mark.parametrize(
    "kind", [None, "", "application/json", "Application/JSON; charset=utf-8", "text/json", "application/vnd.a.b+json"]
)
def test_data_of_a_json_type_is_read(kind: str | None) -> None:
    assert not_json({"datacontenttype": kind}) == ""


@pytest.mark.parametrize(
    "kind", ["text/plain", "application/xml", "application/json2", "json", 5, "application/avro", "\ud800"]
)
def test_data_of_another_type_is_refused(kind: object) -> None:
    assert "application/json" in not_json({"datacontenttype": kind})
