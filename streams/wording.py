"""Asks a language model to word insights, where one is set (`SOULFRA_WORDING__URL`). It may fail: then statements stay as they are."""

from __future__ import annotations

import logging
from typing import Any

import httpx
import msgspec

from config import Wording
from soulfra.analysis import Analysis
from soulfra.wording import SCHEMA, hidden, question, worded

log = logging.getLogger("soulfra.wording")

ANSWER = 64 * 1024  # bytes


async def in_other_words(analysis: Analysis, settings: Wording) -> Analysis:
    """The analysis with statements that the model worded and that passed."""
    if not settings.url or not analysis.insights:
        return analysis
    people = list(analysis.participants)
    try:
        answer = await _asked(question(hidden(analysis.insights, people)), settings)
    except (httpx.HTTPError, msgspec.MsgspecError, LookupError, TypeError, ValueError) as failed:
        log.warning("no other words (%s)", type(failed).__name__)
        return analysis
    insights = worded(analysis.insights, people, answer)
    log.info("%d of %d insights in other words", sum(one.worded for one in insights), len(insights))
    return msgspec.structs.replace(analysis, insights=insights)


async def _asked(messages: list[dict[str, str]], settings: Wording) -> str:
    """The text of an answer of `/chat/completions`. Raises what httpx raises, or LookupError where it has none."""
    told: dict[str, Any] = {
        "model": settings.model, "messages": messages, "temperature": 0,
        "response_format": {"type": "json_schema", "json_schema": {"name": "statements", "strict": True, "schema": SCHEMA}},
    }  # fmt: skip
    headers = {"Authorization": f"Bearer {key}"} if (key := settings.key.get_secret_value()) else {}
    async with httpx.AsyncClient(timeout=settings.seconds, headers=headers) as client:
        answered = await client.post(f"{settings.url.rstrip('/')}/chat/completions", json=told)
    answered.raise_for_status()
    if len(answered.content) > ANSWER:
        raise ValueError(f"an answer of {len(answered.content)} bytes")
    content = msgspec.json.decode(answered.content)["choices"][0]["message"]["content"]
    if not isinstance(content, str):
        raise TypeError("an answer without text")
    return content
