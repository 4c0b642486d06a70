"""A result as a page: plain HTML without scripts, readable on a phone, everything from the chat escaped."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template

from soulfra.analysis import Analysis

POLICY = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"


@cache
def _template() -> Template:
    folder = Path(__file__).parent / "templates"
    return Environment(loader=FileSystemLoader(folder), autoescape=True, undefined=StrictUndefined).get_template(
        "report.html"
    )


def html(result: Analysis, trust: dict[str, object] | None) -> str:
    """The report. `trust` is the move that this chat caused, if it is known yet."""
    return _template().render(result=result, trust=trust)
