"""Rows of a table change with its version, never without: a release that forgets it is stopped before it is one."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest

from schemas.frozen import Broken
from streams.engine import Stopped
from streams.tables import rows_of
from topics import TABLES, USAGE_ROWS, Table
from topics.layout import freeze, mistakes
from topics.rows import write


class Day(msgspec.Struct, frozen=True):
    nano: int = 0


class DescribedDay(msgspec.Struct, frozen=True):
    """What one day adds up to."""

    nano: int = 0


DescribedDay.__name__ = "Day"


class LongerDay(msgspec.Struct, frozen=True):
    nano: int = 0
    peak: int = 0


def table(row: Any, version: int = 1) -> Table[Any]:
    return replace(USAGE_ROWS, domain="days", version=version, row=row)


def test_the_rows_of_every_table_are_frozen_as_they_are() -> None:
    assert mistakes(TABLES) == []


def test_rows_that_change_without_a_new_version_are_refused_with_what_to_do(tmp_path: Path) -> None:
    assert freeze([table(Day)], tmp_path) == ["days.v1"]
    assert freeze([table(Day)], tmp_path) == mistakes([table(Day)], tmp_path) == []
    [wrong] = mistakes([table(LongerDay)], tmp_path)
    assert "days.v1" in wrong and "raise the version" in wrong and "soulfra topics prune" in wrong
    with pytest.raises(Broken, match=r"days\.v1"):
        freeze([table(LongerDay)], tmp_path)
    assert "make freeze" in mistakes([table(LongerDay, 2)], tmp_path)[0]
    assert freeze([table(LongerDay, 2)], tmp_path) == ["days.v2"]


def test_words_about_a_row_are_not_its_layout(tmp_path: Path) -> None:
    freeze([table(Day)], tmp_path)
    assert mistakes([table(DescribedDay)], tmp_path) == []


def test_rows_that_another_release_wrote_stop_the_worker_with_the_tables_name() -> None:
    read = rows_of(table(Day))
    assert read([write(Day(3))]) == [Day(3)]
    with pytest.raises(Stopped, match=r"table days\.v1: .* cannot read .* new version.* `soulfra reset`"):
        read([b'{"nano": "three"}'])
