"""`quick.c`, where it could be compiled: what is done with the text of every message."""

from __future__ import annotations

from typing import Any

quick: Any
try:
    from soulfra import _quick as quick  # type: ignore[attr-defined,no-redef]
except ImportError:  # there was no compiler: the same is done in Python
    quick = None
