"""`engine.App`: an ordinary Faust app on the engine. The broker URL `librdkafka://host:port` turns it on."""

from __future__ import annotations

import socket
from dataclasses import replace
from typing import Any, cast

from faust.app.base import App as FaustApp
from faust.transport.base import Transport as FaustTransport
from faust.transport.conductor import Conductor as FaustConductor
from faust.types.assignor import PartitionAssignorT
from faust.types.enums import ProcessingGuarantee
from yarl import URL

from streams.engine import client
from streams.engine.agent import Agent
from streams.engine.consumer import Consumer
from streams.engine.options import Options
from streams.engine.producer import Producer
from streams.engine.stream import Stream
from streams.engine.table import MUTABLE, Table, TableManager
from streams.engine.topic import Topic
from streams.engine.work import Stopped

SCHEME = "librdkafka"
WHOLE = {"Stream": Stream, "Topic": Topic, "Table": Table, "TableManager": TableManager, "Agent": Agent}
QUIET = {"table_standby_replicas": 0, "topic_disable_leader": True, "stream_wait_empty": True}


class App(FaustApp):
    """Takes what `faust.App` takes, and `engine`. At least once, unless `processing_guarantee="exactly_once"`."""

    consumer: Any
    producer: Any

    def __init__(self, id: str, *args: Any, engine: Options | None = None, **kwargs: Any) -> None:
        options = engine or Options()
        self.engine = options if options.instance else replace(options, instance=f"{socket.gethostname()}-{id}")
        super().__init__(id, *args, **{**WHOLE, "PartitionAssignor": Assignor, **QUIET, **kwargs})

    @property
    def begun(self) -> bool:
        """Whether the consumer is there. Whoever asks for it first makes it, and it belongs to their event loop: other threads
        ask this before."""
        return self._consumer is not None

    @property
    def exactly(self) -> bool:
        return cast(Any, self.conf.processing_guarantee) is ProcessingGuarantee.EXACTLY_ONCE

    def is_leader(self) -> bool:
        """Whether timers `on_leader` run here: where partition 0 of the first topic is; alone, where no topic is read."""
        owner = self.consumer.ownership
        topics = owner.topics
        return not topics or (min(topics), 0) in owner.owned

    def FlowControlQueue(self, maxsize: int | None = None, *, clear_on_resume: bool = False) -> Any:  # noqa: N802
        """Is never emptied from outside: batches that are not wanted any more are marked, and streams pass them over."""
        return super().FlowControlQueue(maxsize, clear_on_resume=False)

    def _create_directories(self) -> None:
        """Rows that lie in RocksDB make their own folder; nothing else of an app is on disk."""

    async def maybe_start_producer(self) -> Any:
        await self.producer.maybe_start()
        return self.producer

    async def on_start(self) -> None:
        """Refuses what the engine cannot do. Raises Stopped with a sentence."""
        if refused := list(refusals(self)):
            raise Stopped("; ".join(refused))
        await super().on_start()


class Assignor(PartitionAssignorT):
    """Tells Faust what the broker assigned; it assigns nothing itself, and there are no standbys."""

    def __init__(self, app: Any, replicas: int = 0) -> None:
        self.app, self.replicas = app, replicas

    def group_for_topic(self, topic: str) -> int:
        return 0

    def assigned_standbys(self) -> set[Any]:
        return set()

    def assigned_actives(self) -> set[Any]:
        return set(self.app.consumer.assignment())

    def is_active(self, tp: Any) -> bool:
        return tp in self.app.consumer.assignment()

    def is_standby(self, tp: Any) -> bool:
        return False

    def key_store(self, topic: str, key: bytes) -> URL:
        raise NotImplementedError("requests are not routed between workers: tables are read elsewhere")

    def table_metadata(self, topic: str) -> Any:
        return {}

    def tables_metadata(self) -> Any:
        return {}


class Conductor(FaustConductor):
    """Knows which agents read which topic; batches go past it."""

    app: Any
    _resubscribe_sleep_lock_seconds = 0.5  # a new topic moves no other partition

    def _update_callback_map(self) -> None: ...

    def add(self, topic: Any) -> None:
        super().add(topic)
        if self.app._consumer is not None:
            self.app._consumer.ownership.heard(topic.topics)

    def discard(self, topic: Any) -> None:
        super().discard(topic)
        if self.app._consumer is not None:
            self.app._consumer.ownership.heard(topic.topics)


class Transport(FaustTransport):
    """What the URL scheme selects."""

    app: Any
    Consumer = Consumer
    Producer = Producer
    Conductor = Conductor
    driver_version = "librdkafka"

    def __init__(self, url: Any, app: Any, loop: Any = None) -> None:
        if not isinstance(app, App):
            raise Stopped(f"{SCHEME}:// needs `streams.engine.App` in the place of `faust.App`")
        super().__init__(url, app, loop)

    @property
    def configuration(self) -> client.Configuration:
        addresses = ",".join(f"{one.host}:{one.port or 9092}" for one in self.url)
        return client.shared(addresses, self.app.conf.broker_client_id, self.app.engine.client)

    def create_transaction_manager(self, consumer: Any, producer: Any, **kwargs: Any) -> Any:
        return producer


def refusals(app: Any) -> Any:
    """Sentences about what an app asks for and does not get."""
    conf = app.conf
    for name, whole in WHOLE.items():
        if not issubclass(getattr(conf, name), whole):
            yield f"{name}: a class of one's own has to be a subclass of {whole.__module__}.{whole.__qualname__}"
    if conf.table_standby_replicas:
        yield "table_standby_replicas: there are no standbys, tables are read back from the changelog; set it to 0"
    if conf.stream_publish_on_commit:
        yield "stream_publish_on_commit: use processing_guarantee='exactly_once', which does it exactly"
    if conf.producer_threaded:
        yield "producer_threaded: the engine sends from a thread of its own; leave it out"
    if conf.broker_credentials is not None:
        yield "broker_credentials: say it in librdkafka's settings, engine=Options(client={...})"
    for table in app.tables.values():
        yield from _of_table(table)
    for agent in app.agents.values():
        yield from _of_agent(app, agent)
    if len(app.sensors._sensors) > 1:
        yield "sensors: events come in batches, so no sensor is called for each; remove it"


def _of_table(table: Any) -> Any:
    if not isinstance(table, Table):
        yield f"table {table.name}: {type(table).__name__} is not supported, only Table and windows of it are"
        return
    if table.use_partitioner:
        yield f"table {table.name}: use_partitioner would write rows of partitions that others own; leave it out"
    if table.value_type in MUTABLE:
        yield f"table {table.name}: values that can be changed in place cannot be undone; use tuple, a frozen class or bytes"
    store = str(table._store or table.app.conf.store)
    if not store.startswith(("memory:", "rocksdb:")):
        yield f"table {table.name}: the store {store} is not supported; use memory:// or rocksdb://"


def _of_agent(app: Any, agent: Any) -> Any:
    if agent.isolated_partitions:
        yield f"agent {agent.name}: isolated_partitions is not supported; partitions are isolated already, by table rows"
    if agent.concurrency > 1 and app.exactly:
        yield f"agent {agent.name}: events that end out of order cannot be committed exactly once; leave out concurrency"
    if getattr(agent.channel, "pattern", None):
        yield f"agent {agent.name}: topics by pattern are not supported; name them"
