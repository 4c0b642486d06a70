"""Hanging transactions in the topics of this installation: looked for, and ended (`streams/engine/hanging.py`)."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from cli.errors import Failed
from cli.local.ports import serving

if TYPE_CHECKING:
    from config import Kafka, Settings
    from streams.engine.hanging import Hanging


def hanging(now: Settings) -> list[Hanging]:
    """Those that are left. Raises Failed when the cluster does not answer, or may not be asked."""
    return asyncio.run(_run(serving(now).kafka, end=False))


def mend(now: Settings) -> list[Hanging]:
    """Ends them, and nothing else; those that were ended. Raises Failed likewise."""
    return mend_at(serving(now).kafka)


def mend_at(kafka: Kafka) -> list[Hanging]:
    """The same on any cluster."""
    return asyncio.run(_run(kafka, end=True))


async def _run(kafka: Kafka, end: bool) -> list[Hanging]:
    """In the catalogue's topics; in the group's offsets only those of our own workers."""
    from aiokafka.errors import KafkaError

    from streams.engine.hanging import OFFSETS, Transactions
    from topics import TABLES_APP, everything
    from topics.broker import client

    topics, own = [*everything(), OFFSETS], f"{TABLES_APP}-"
    try:
        async with Transactions(client(kafka, "doctor")) as transactions:
            if end:
                return await transactions.mend(topics, own)
            return await transactions.hanging(transactions.partitions(topics), own)
    except (KafkaError, OSError, TimeoutError) as refused:
        raise Failed(
            f"transactions at {kafka.bootstrap} cannot be looked at ({refused or type(refused).__name__}); is the broker "
            "running, and may this user describe topics and transactional ids and, to end a transaction, alter the cluster?"
        ) from None
