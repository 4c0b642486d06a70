"""How many uploads are taken at a time: of one person, and by this process."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Iterator

from api.problem import Problem
from config import Edge

AGAIN = {"Retry-After": "5"}


class Admission:
    """Counts uploads that are under way."""

    def __init__(self, edge: Edge) -> None:
        self._each, self._all = edge.uploads_per_person, edge.uploads
        self._open: Counter[str] = Counter()

    @contextlib.contextmanager
    def one(self, key: str) -> Iterator[None]:
        """For as long as an upload of this person takes. Raises Problem 429 for too many of theirs, 503 of everybody's."""
        if self._open[key] >= self._each:
            rule = f"{self._each} uploads of yours are under way, and no more are taken at a time; wait until one ends"
            raise Problem(429, rule, headers=AGAIN, limit=self._each)
        if self._open.total() >= self._all:
            rule = f"{self._all} uploads are under way here, and no more are taken at a time; try again in a moment"
            raise Problem(503, rule, headers=AGAIN, limit=self._all)
        self._open[key] += 1
        try:
            yield
        finally:
            self._open[key] -= 1
            if not self._open[key]:
                del self._open[key]
