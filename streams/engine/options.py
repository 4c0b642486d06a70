"""What can be set on the engine beside Faust's own settings."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from streams.engine.dead import Letter, letter


@dataclass(frozen=True)
class Options:
    """Bounds and choices of one app; every default suits a laptop.

    `client` are librdkafka settings that all clients share (security, timeouts); addresses come from the broker URL.
    """

    client: Mapping[str, Any] = field(default_factory=dict)
    instance: str = ""  # names this process among the app's workers; kept over restarts it heals a kill at once
    commit_interval: float = 0.1  # seconds after the first uncommitted event, while more is coming
    transaction_timeout: float = 5.0  # seconds; less than the group's session timeout
    held_back: float = (
        5.0  # seconds beyond `transaction_timeout` that another's open transaction may hold a take-over back
    )
    fetch: int = 1_600  # records taken at once from librdkafka
    prefetch: int = 4  # such portions waiting for the agents
    prefetch_kb: int = 65_536  # KiB of librdkafka's own buffer; of large records no more wait elsewhere either
    open_events: int = 64  # of one partition, for agents with concurrency
    pending: int = 6_400  # records handed to agents and not done, before more are handed out
    record_bytes: int = 1_000_000  # of one record that is sent; the broker's message.max.bytes
    commit_attempts: int = 5  # failed commits in a row after which the process ends
    uncommitted: int = 200_000  # events, after which agents wait for the commit; records sent beside the streams, after which more are refused
    slow_after: float = 0.1  # seconds without progress after which a partition no longer holds back the others
    stuck_after: float = 120.0  # seconds on one event after which the process ends
    long_events: bool = False  # whether agents may take longer than that; then the app itself watches them
    cached_rows: int = 500_000  # of one table and partition that is kept in RocksDB
    retry_every: float = 0.5  # seconds between two attempts while the broker is away
    failures_in_a_row: int = 20  # exceptions of agents after which the process ends
    failures_share: float = 0.05  # of the last thousand events, likewise
    dead_letter: Callable[[Letter], Letter | None] = (
        letter  # what becomes of a record whose agent failed; None: dropped
    )
    at_step: Callable[[str], None] | None = None  # called at each step of a commit; a test kills the process there
