"""The catalogue as people and tools read it: a table, and AsyncAPI 3."""

from __future__ import annotations

from importlib.metadata import version
from typing import Any

from schemas import Event
from schemas.frozen import latest
from topics import TOPICS, Topic


def rows() -> list[dict[str, Any]]:
    return [
        {
            "topic": topic.name,
            "events": [event.__name__ for event in topic.events],
            "key": topic.key,
            "written_by": list(topic.written_by),
            "keep": "for ever" if topic.keep is None else f"{topic.keep.days} days",
            "why": topic.why,
        }
        for topic in TOPICS
    ]


def table() -> str:
    """A Markdown table; docs/topics.md holds the same."""
    head = "| topic | events | key | written by | kept | why |\n|---|---|---|---|---|---|"
    lines = [
        f"| `{row['topic']}` | {', '.join(row['events'])} | {row['key']} | {', '.join(row['written_by'])} "
        f"| {row['keep']} | {row['why']} |"
        for row in rows()
    ]
    return "\n".join([head, *lines])


def subject(topic: Topic, event: type[Event]) -> str:
    """Name of a contract in the registry."""
    return f"{topic.name}-{event.__name__}"


def asyncapi(bootstrap: str) -> dict[str, Any]:
    """AsyncAPI 3.0.0, with the frozen Avro contracts; without a server where no address is to be told."""
    return {
        "asyncapi": "3.0.0",
        "info": {"title": "Soulfra", "version": version("soulfra")},
        "servers": {"kafka": {"host": bootstrap.partition(",")[0], "protocol": "kafka"}} if bootstrap else {},
        "channels": {topic.name: _channel(topic) for topic in TOPICS},
        "operations": {
            f"read {topic.name}": {"action": "receive", "channel": {"$ref": f"#/channels/{topic.name}"}}
            for topic in TOPICS
        },
        "components": {"messages": {event.__name__: _message(event) for topic in TOPICS for event in topic.events}},
    }


def _channel(topic: Topic) -> dict[str, Any]:
    messages = {event.__name__: {"$ref": f"#/components/messages/{event.__name__}"} for event in topic.events}
    return {"address": topic.name, "description": topic.why, "messages": messages}


def _message(event: type[Event]) -> dict[str, Any]:
    return {
        "name": event.ce_type(),
        "summary": (event.__doc__ or "").strip(),
        "contentType": "application/avro",
        "payload": {"schemaFormat": "application/vnd.apache.avro+json;version=1.12.0", "schema": latest(event).schema},
    }
