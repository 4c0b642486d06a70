"""Where a setting's value came from, and what it overrides."""

from __future__ import annotations

from typing import Any, NamedTuple

from pydantic import SecretStr

from config import Settings, every_key, name_of, settings, sources

UNSET = object()


class Said(NamedTuple):
    """One place that speaks about a setting."""

    source: str
    value: object


class Unknown(KeyError):
    """There is no such setting."""

    def __str__(self) -> str:
        return f"there is no setting {self.args[0]!r}; `soulfra config show` lists all"


def value_of(key: str) -> object:
    """The value in force; secrets show only whether they are set."""
    return shown(_at(settings().model_dump(), key))


def origins(key: str) -> list[Said]:
    """Every place that sets `section.key`, the one in force first and the default last. Raises Unknown."""
    if key not in every_key():
        raise Unknown(key)
    said = [Said(source, _at(read(), key)) for source, read in sources()]
    secret = isinstance(_at(_defaults(), key), SecretStr)
    return [
        Said(source if source != "environment" else name_of(key), "(a secret)" if secret else value)
        for source, value in said
        if value is not UNSET
    ] + [Said("default", shown(_at(_defaults(), key)))]


def is_set(key: str) -> bool:
    """Whether anyone but the default speaks about this setting."""
    return len(origins(key)) > 1


def shown(value: object) -> object:
    if isinstance(value, SecretStr):
        return "(a secret)" if value.get_secret_value() else "(not set)"
    return value


def _defaults() -> dict[str, Any]:
    return Settings.model_construct().model_dump()


def _at(tree: dict[str, Any], key: str) -> object:
    place: Any = tree
    for part in key.split("."):
        if not isinstance(place, dict) or part not in place:
            return UNSET
        place = place[part]
    return place
