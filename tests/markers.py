"""Makes a transaction hang on a real broker: the marker at the end of a partition's log is cut off while the broker is down."""

from __future__ import annotations

import struct
from collections.abc import Iterable
from pathlib import Path

from cli.local.kafka import Kafka

CONTROL = 32  # attribute of a batch that is a marker
HEAD = struct.Struct(">qiibIh")  # base offset, length, leader epoch, magic, checksum, attributes
CHECKPOINTS = (".kafka_cleanshutdown", "recovery-point-offset-checkpoint", "replication-offset-checkpoint")


def without_markers(kafka: Kafka, places: Iterable[tuple[str, int]]) -> None:
    """Restarts the broker so that the last marker of each of these partitions was never written."""
    kafka.stop()
    cut(kafka.folder / "log", places)
    kafka.start()


def cut(folder: Path, places: Iterable[tuple[str, int]]) -> None:
    """In the data of a broker that is down."""
    for topic, number in places:
        _cut(folder / f"{topic}-{number}")
    for name in CHECKPOINTS:
        (folder / name).unlink(missing_ok=True)


def _cut(folder: Path) -> None:
    log = max(folder.glob("*.log"))
    data, at, last = log.read_bytes(), 0, (0, 0)
    while at + HEAD.size <= len(data):
        _, length, _, _, _, attributes = HEAD.unpack_from(data, at)
        if length <= 0:
            break
        last, at = (at, attributes), at + 12 + length
    assert last[1] & CONTROL, f"{folder.name} does not end in a marker"
    log.write_bytes(data[: last[0]])
    for derived in [
        *folder.glob("*.snapshot"),
        *folder.glob("*.index"),
        *folder.glob("*.timeindex"),
        *folder.glob("*.txnindex"),
    ]:
        derived.unlink()
