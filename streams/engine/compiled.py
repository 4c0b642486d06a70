"""`quick.c`, where it could be compiled: the cursor, a table's look-ups, and the step from one event to the next."""

from __future__ import annotations

from typing import Any

quick: Any
try:
    from streams.engine import _quick as quick  # type: ignore[attr-defined,no-redef]
except ImportError:  # there was no compiler: the engine does the same in Python
    quick = None
