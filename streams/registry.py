"""Schemas of a Confluent-compatible registry, for events written with a contract that is not one of ours."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from typing import Any

import httpx

ATTEMPTS = 5
WITHIN = 2.0  # seconds


class Unreachable(Exception):
    """The registry does not answer; without it valid events would be taken for bad ones, so the worker stops."""


class Registry:
    """Looks a schema up once and remembers it: an id never changes its meaning."""

    def __init__(self, url: str) -> None:
        self._url = url.rstrip("/")
        self._known: dict[int, Mapping[str, Any] | None] = {}

    def __call__(self, schema_id: int) -> Mapping[str, Any] | None:
        if not self._url:
            return None
        if schema_id not in self._known:
            self._known[schema_id] = self._asked(schema_id)
        return self._known[schema_id]

    def _asked(self, schema_id: int) -> Mapping[str, Any] | None:
        for attempt in range(ATTEMPTS):
            try:
                answer = httpx.get(f"{self._url}/schemas/ids/{schema_id}", timeout=WITHIN)
            except httpx.HTTPError:
                time.sleep(0.2 * 2**attempt)
                continue
            return json.loads(answer.json()["schema"]) if answer.status_code == 200 else None
        raise Unreachable(f"the schema registry at {self._url} does not answer; see SOULFRA_REGISTRY__URL")
