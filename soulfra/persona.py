"""Eight personalities that an agent can have, and which of them a style is nearest to."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Context, Decimal
from math import sqrt
from typing import NamedTuple

from soulfra.style import FEATURES
from soulfra.suggestion import Fit

SHOWN, DECIDING = 3, 3


class Persona(NamedTuple):
    """A personality: its style in standard deviations from the usual, and what its agent is told to be."""

    id: str
    name: str
    summary: str
    profile: dict[str, float]
    prompt: str


# Correctly rounded, so that every machine gets the same bytes: a C library's `exp` and `log1p` differ in their last digits.
EXACT = Context(prec=20)


def _exp(value: float) -> float:
    return float(Decimal(value).exp(EXACT))


def _log1p(value: float) -> float:
    return float(EXACT.add(Decimal(value), 1).ln(EXACT))


# Usual value and spread of each feature. A judgement from reading the shipped samples, not a measured population.
USUAL = {
    "length": (_log1p(18), 0.7), "asking": (0.35, 0.2), "polite": (0.15, 0.12), "casual": (0.08, 0.1),
    "positive": (0.05, 0.15), "code": (0.08, 0.15), "structure": (0.04, 0.08), "emoji": (0.06, 0.12), "emphasis": (0.1, 0.12),
}  # fmt: skip

PERSONAS = (
    Persona("cartographer", "The Cartographer", "Lays a problem out before walking into it.",
            {"length": 1.2, "structure": 1.5, "asking": -0.3},
            "Answer with a short map first: the parts, how they hang together, where to begin. Then go into one part."),
    Persona("lantern", "The Lantern", "Finds out by asking.", {"asking": 1.5, "length": -0.2, "positive": 0.2},
            "Ask one good question when the aim is unclear. Otherwise answer plainly and say what is still unknown."),
    Persona("anvil", "The Anvil", "Short, exact, to the work.", {"length": -1.2, "code": 0.6, "polite": -0.8, "casual": -0.3},
            "Be brief and exact. Give the result first, the reason in one line, nothing else."),
    Persona("hearth", "The Hearth", "Keeps people warm and together.",
            {"positive": 1.2, "emoji": 1.0, "emphasis": 0.8, "polite": 0.5},
            "Be warm. Name what went well before what is missing, and speak to people by what they care about."),
    Persona("envoy", "The Envoy", "Courteous, careful, complete.", {"polite": 1.6, "casual": -0.8, "length": 0.6},
            "Be courteous and complete. Offer alternatives and let the other side choose."),
    Persona("clockmaker", "The Clockmaker", "Takes things apart and makes them run.",
            {"code": 1.8, "structure": 0.5, "emoji": -0.4},
            "Work in small steps that can be checked. Show the code, say how to test it, name what could break."),
    Persona("spark", "The Spark", "Quick, playful, first with an idea.", {"casual": 1.5, "emphasis": 1.0, "length": -0.6},
            "Be quick and light. Offer three ideas in a line each, then help with the one that is picked."),
    Persona("lookout", "The Lookout", "Sees what may go wrong.", {"positive": -1.3, "length": 0.4, "asking": 0.3},
            "Look for what may fail first. Say how likely it is, how bad, and the cheapest way to be safe."),
)  # fmt: skip


def fits(style: Mapping[str, float]) -> tuple[Fit, ...]:
    """The nearest personalities, the nearest first; none without a style. `closeness` is exp(-distance)."""
    if not style:
        return ()
    seen = {name: _deviation(name, style.get(name, 0.0)) for name in FEATURES}
    ranked = sorted(PERSONAS, key=lambda persona: (_distance(persona, seen), persona.id))
    return tuple(
        Fit(persona.id, round(_exp(-_distance(persona, seen)), 4), _deciding(persona, seen))
        for persona in ranked[:SHOWN]
    )


def named(id: str) -> Persona:
    return next(persona for persona in PERSONAS if persona.id == id)


def _deviation(name: str, value: float) -> float:
    usual, spread = USUAL[name]
    return max(-3.0, min(3.0, ((_log1p(max(0.0, value)) if name == "length" else value) - usual) / spread))


def _distance(persona: Persona, seen: Mapping[str, float]) -> float:
    return sqrt(sum((seen[name] - persona.profile.get(name, 0.0)) ** 2 for name in FEATURES) / len(FEATURES))


def _deciding(persona: Persona, seen: Mapping[str, float]) -> tuple[tuple[str, float, float], ...]:
    """The features that speak most for it, in standard deviations from the usual."""
    order = sorted(FEATURES, key=lambda name: (-seen[name] * persona.profile.get(name, 0.0), name))
    return tuple((name, round(seen[name], 4), persona.profile.get(name, 0.0)) for name in order[:DECIDING])
