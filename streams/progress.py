"""How far a worker is with the partitions that it owns, as it is published and as its health follows from it."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import Counter

from confluent_kafka import KafkaException

from config import metrics
from streams import engine
from streams.app import held_back, paused
from topics.broker import refusals

log = logging.getLogger("soulfra.streams")

LOOK = 2.0  # seconds between two looks

Place = tuple[str, int]


class Progress:
    """Of one app. Only what is owned is published: what another worker has since, it tells itself."""

    def __init__(self, app: engine.App, group: str) -> None:
        self.app, self._group = app, group
        self._seen: dict[Place, tuple[int, float]] = {}  # next offset, and since when, where records are left
        self._published: set[Place] = set()
        self._rebalances = 0

    async def run(self) -> None:
        while True:
            await asyncio.sleep(LOOK)
            self._measure_ownership()
            try:
                ends = await asyncio.to_thread(self.app.consumer.ends, list(self.app.consumer.work.lanes))
            except KafkaException as away:
                log.debug("the ends of the partitions are not known (%s)", away)
                self._seen.clear()  # while nothing can be read, nobody stands still
            else:
                self.measure(ends)

    def measure(self, ends: dict[Place, int]) -> None:
        """`ends` are last stable offsets: what stands behind an open transaction of somebody is not there to be read."""
        now, consumer = time.monotonic(), self.app.consumer
        owned = consumer.assignment()
        current = {place: end for place, end in ends.items() if place in owned and place in consumer.work.lanes}
        for place, end in current.items():
            next = consumer.next_of(*place)
            lag = max(0, end - next)
            metrics.LAG.labels(self._group, place[0], str(place[1])).set(lag)
            before, since = self._seen.get(place, (-1, now))
            if next != before or not lag:
                metrics.PROGRESS.labels(place[0], str(place[1])).set(time.time())
                since = now
            self._seen[place] = next, since
        for topic, number in self._published - current.keys():
            metrics.forget(metrics.LAG, self._group, topic, str(number))
            metrics.forget(metrics.PROGRESS, topic, str(number))
        self._published = set(current)
        waiting = current.keys() - consumer.ownership.halted.keys()  # a restart would not help those that are paused
        self._seen = {place: seen for place, seen in self._seen.items() if place in waiting}

    def _measure_ownership(self) -> None:
        owner = self.app.consumer.ownership
        metrics.ASSIGNED.labels(self._group).set(len(owner.owned))
        halted = Counter(topic for topic, _ in owner.halted)
        for topic in owner.topics:
            metrics.PAUSED.labels(self._group, topic).set(halted[topic])
        metrics.REBALANCES.labels(self._group).inc(self.app.rebalancing_count - self._rebalances)
        self._rebalances = self.app.rebalancing_count

    def stuck(self, seconds: float) -> str:
        """Assigned and not progressing is not live."""
        now = time.monotonic()
        for (topic, partition), (next, since) in list(self._seen.items()):
            if now - since > seconds:
                return f"{topic}/{partition} has records behind {next} and stands still for more than {seconds:.0f} s"
        return ""


def unready(app: engine.App) -> str:
    """Recovering is not ready; nor is a worker that the broker refuses, or that waits for a newer release."""
    if not app.started or not app.begun or not app.consumer.assignment():
        return refusals.sentence() or "no partitions are assigned yet"
    if app.consumer.ready():
        return refusals.sentence() or paused(app)
    return held_back(app) or (
        "tables are being read back from their changelogs" if app.tables else "the place to go on from is being read"
    )
