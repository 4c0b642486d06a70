"""What was said lately, found again by its words."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Generic, TypeVar

Thing = TypeVar("Thing")


class Remembered(Generic[Thing]):
    """The last things, with the words that tell what each is about; of more than `size` the oldest is forgotten."""

    def __init__(self, size: int) -> None:
        self.size = size
        self._things: dict[int, tuple[Thing, tuple[str, ...]]] = {}
        self._places: dict[str, list[int]] = {}
        self._n = 0

    def __iter__(self) -> Iterator[Thing]:
        return (thing for thing, _ in self._things.values())

    def sharing(self, terms: tuple[str, ...]) -> list[tuple[int, Thing]]:
        """Those that share two words or more, in their order, with their numbers."""
        once, twice = set[int](), set[int]()
        for word in terms:
            if there := self._places.get(word):
                twice |= once.intersection(there)
                once.update(there)
        return [(n, self._things[n][0]) for n in sorted(twice)]

    def add(self, thing: Thing, terms: tuple[str, ...]) -> Thing | None:
        """Returns the one that is forgotten for it."""
        self._n += 1
        self._things[self._n] = (thing, terms)
        for word in terms:
            self._places.setdefault(word, []).append(self._n)
        return self.forget(next(iter(self._things))) if len(self._things) > self.size else None

    def forget(self, n: int) -> Thing:
        thing, terms = self._things.pop(n)
        for word in terms:
            there = self._places[word]
            there.remove(n)
            if not there:
                del self._places[word]
        return thing
