"""What should not have been written down."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

from soulfra.chat.message import Message
from soulfra.compiled import quick
from soulfra.insights.insight import Best, Heard, Insight, Portion, Reader
from soulfra.private import found, hints

SECRET = {"secret key", "private key", "token", "payment card", "bank account"}
CONFIDENCE = 0.95  # patterns with a check digit or a fixed prefix


def _suspects(heard: list[Heard]) -> list[Message]:
    """The messages in which private things may be."""
    return [message for message, _, _, _ in heard if hints(message.text)]


suspects: Callable[[list[Heard]], list[Message]] = quick.suspects if quick else _suspects


class Exposure:
    """Secrets and personal data in the visible messages; every quote masks them."""

    def __init__(self) -> None:
        self.kinds: Counter[str] = Counter()
        self.best = Best()

    def update(self, portion: Portion) -> None:
        for message in suspects(portion.seen):
            if kinds := [one.kind for one in found(message.text)]:
                self.kinds.update(kinds)
                self.best.add(sum(10 if kind in SECRET else 1 for kind in kinds), message)

    @property
    def total(self) -> int:
        return sum(self.kinds.values())

    def merge(self, other: Exposure) -> None:
        self.kinds.update(other.kinds)
        self.best.merge(other.best)

    def result(self, reader: Reader) -> list[Insight]:
        if not self.total:
            return []
        told = ", ".join(
            f"{n} × {kind}" for kind, n in sorted(self.kinds.items(), key=lambda kind: (-kind[1], kind[0]))
        )
        grave = any(kind in SECRET for kind in self.kinds)
        return [
            Insight(
                "exposure", "exposure", "Private things in the chat", f"The chat holds {told}.",
                float(self.total), "findings", 0.0, self.total, CONFIDENCE, 1.0 if grave else 0.6,
                self.best.evidence(), "fixed prefixes and check digits (Luhn, ISO 13616); shown masked",
                "Replace the keys that were written down; delete or blacken the rest." if grave
                else "Check that everyone concerned knows that it stands here.",
            )
        ]  # fmt: skip
