"""The exports that are measured with are read like any other."""

from __future__ import annotations

from pathlib import Path

import pytest

from cli.bench.exports import FORMATS, write
from cli.chat import _chart
from soulfra.analysis import analyse


@pytest.mark.parametrize("format", FORMATS)
def test_a_written_export_is_recognised_and_read_whole(format: str, tmp_path: Path) -> None:
    one, other = tmp_path / "one", tmp_path / "other"
    n = write(one, format, 150_000)
    assert write(other, format, 150_000) == n and one.read_bytes() == other.read_bytes()
    analysis = analyse(one, workspace=tmp_path)
    assert (analysis.format, analysis.visible, analysis.language) == (format, n, "en")
    assert sum(analysis.activity.values()) == n and not analysis.skipped


def test_a_chart_has_one_bar_for_each_day_or_for_some_days_together() -> None:
    assert _chart({"2026-01-01": 5}) == []
    assert _chart({"2026-01-01": 8, "2026-01-02": 0, "2026-01-03": 1}) == ["2026-01-01 █ ▁ 2026-01-03  (at most 8)"]
    many = {f"{n // 12:04}-{n % 12 + 1:02}": 1 for n in range(600)}
    assert len(_chart(many)[0].split()[1]) <= 48
