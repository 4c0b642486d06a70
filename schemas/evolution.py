"""How a contract may change, more strictly than Avro's own rules: by addition, and nothing else.

The official checker asks only whether one version reads the other. It is content when a published enum symbol, a
scale or a branch goes, as long as some default fills the hole, and it does not look at names that a reader sees.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from schemas.shape import NAMED, definitions, full_name, kind, stands_for

KEPT = {"logicalType": "logical type", "precision": "precision", "scale": "scale", "size": "size"}
OPEN = "open"  # the weakest privacy class (schemas/fields.py)


def stricter(old: Any, new: Any) -> Iterator[str]:
    """A sentence for each change that an older reader or writer would notice, naming the place."""
    yield from _Comparison(old, new).types(old, new, new["name"])


class _Comparison:
    """Two versions of a contract. A named type may be written out at its first use and only named at the next."""

    def __init__(self, old: Any, new: Any) -> None:
        self._old, self._new = definitions(old), definitions(new)
        self._compared: set[tuple[str, str]] = set()

    def types(self, old: Any, new: Any, place: str) -> Iterator[str]:
        old, new = stands_for(old, self._old), stands_for(new, self._new)
        if isinstance(old, list) and isinstance(new, list):
            yield from self._branches(old, new, place)
            return
        if (before := kind(old)) != (after := kind(new)):
            yield f"{place}: its type may not change ({before} to {after})"
            return
        yield from _attributes(old, new, place)
        if before in NAMED:
            yield from self._named(old, new, place)
        for part in ("items", "values"):
            if isinstance(old, dict) and part in old:
                yield from self.types(old[part], new.get(part), place)

    def _branches(self, old: list[Any], new: list[Any], place: str) -> Iterator[str]:
        if (before := [_label(branch) for branch in old]) != (after := [_label(branch) for branch in new]):
            yield f"{place}: its union may not change ({', '.join(before)} to {', '.join(after)})"
            return
        for a, b in zip(old, new, strict=True):
            yield from self.types(a, b, place)

    def _named(self, old: dict[str, Any], new: dict[str, Any], place: str) -> Iterator[str]:
        if (before := _label(old)) != (after := _label(new)):
            yield f"{place}: its name may not change ({before} to {after})"
        if lost := [alias for alias in old.get("aliases", ()) if alias not in new.get("aliases", ())]:
            yield f"{place}: the aliases {', '.join(lost)} are gone; readers find older events by them"
        if (before, after) in self._compared:
            return
        self._compared.add((before, after))
        if kind(old) == "enum":
            yield from _symbols(old, new, place)
        yield from self._fields(old.get("fields", []), new.get("fields", []), place)

    def _fields(self, old: list[dict[str, Any]], new: list[dict[str, Any]], place: str) -> Iterator[str]:
        before, after = ({field["name"]: field for field in fields} for fields in (old, new))
        for name in before.keys() - after.keys():
            yield f"{place}.{name}: was published and is gone; nothing is removed or renamed"
        for name in after.keys() - before.keys():
            if "default" not in after[name]:
                yield f"{place}.{name}: is new and has no default; older events lack it"
        for name in before.keys() & after.keys():
            yield from _field(before[name], after[name], f"{place}.{name}")
            yield from self.types(before[name]["type"], after[name]["type"], f"{place}.{name}")


def _field(old: dict[str, Any], new: dict[str, Any], place: str) -> Iterator[str]:
    if _default(old) != _default(new):
        yield f"{place}: its default may not change"
    if lost := [alias for alias in old.get("aliases", ()) if alias not in new.get("aliases", ())]:
        yield f"{place}: the aliases {', '.join(lost)} are gone; readers find older events by them"
    before, after = old.get("privacy"), new.get("privacy")
    if before != after and before != OPEN:
        yield f"{place}: its privacy class may not become weaker ({before} to {after}); readers rely on it"


def _attributes(old: Any, new: Any, place: str) -> Iterator[str]:
    for name, says in KEPT.items():
        if (before := _of(old, name)) != (after := _of(new, name)):
            yield f"{place}: its {says} may not change ({before} to {after})"


def _symbols(old: dict[str, Any], new: dict[str, Any], place: str) -> Iterator[str]:
    before, after = old["symbols"], new["symbols"]
    if after[: len(before)] != before:
        gone = [symbol for symbol in before if symbol not in after]
        what = (
            f"the symbols {', '.join(gone)} were published and are gone" if gone else "its symbols changed their order"
        )
        yield f"{place}: {what}; symbols are only added, at the end"
    if new.get("default") != "UNKNOWN" or "UNKNOWN" not in after:
        yield f"{place}: an enum has the default UNKNOWN"


def _default(field: dict[str, Any]) -> tuple[bool, str]:
    """Told apart by type too: to Python, 1, 1.0 and true are the same."""
    return "default" in field, repr(field.get("default"))


def _of(type_: Any, name: str) -> Any:
    return type_.get(name) if isinstance(type_, dict) else None


def _label(type_: Any) -> str:
    """The full name of a named type, the kind of another."""
    return full_name(type_) if isinstance(type_, dict) and kind(type_) in NAMED else kind(type_)
