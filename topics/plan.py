"""`soulfra topics plan|apply`: compares the catalogue with the broker and creates what is missing. It never deletes,
shrinks or grows: partitions decide where a person's events lie, so another number would tear them apart."""

from __future__ import annotations

import logging
from concurrent.futures import as_completed
from dataclasses import dataclass
from typing import Any, Literal

from confluent_kafka import KafkaException, TopicCollection
from confluent_kafka.admin import AdminClient, AlterConfigOpType, ConfigEntry, ConfigResource, NewTopic, ResourceType

from config import Kafka, Settings
from config.keys import installation_id
from topics import INSTALLATION, everything, installation
from topics.broker import admin, answers, refusals
from topics.installation import Unread
from topics.pace import slow

log = logging.getLogger("soulfra.topics")

WITHIN = 15.0  # seconds for one request to the broker
ANSWER = 5.0  # seconds for a request that is sent again when it times out
Action = Literal["create", "configure", "record", "claim", "refuse"]


class Differs(Exception):
    """The broker does not have what the catalogue wants; the message says what to run."""


class Away(Differs):
    """No broker answers, or it refuses us; it may do so later."""


@dataclass(frozen=True)
class Step:
    """One thing that `apply` would do, or must refuse."""

    action: Action
    topic: str
    why: str
    config: tuple[tuple[str, str], ...] = ()


def plan(settings: Settings) -> list[Step]:
    """What separates the broker from this release, the catalogue's order. Raises Differs when it cannot be asked."""
    steps = _topics(admin(settings.kafka), settings)
    if any(step.topic == INSTALLATION or step.action == "refuse" for step in steps):
        return steps
    try:
        claims = [] if installation.claimed(settings.kafka) else [_claiming(installation_id(settings))]
        return [*steps, *claims, *_contracts(settings.kafka)]
    except Unread as away:
        raise Away(str(away)) from None


def _topics(broker: AdminClient, settings: Settings, within: float = WITHIN) -> list[Step]:
    """What separates the broker from the catalogue; it has so many seconds for its first answer."""
    kafka = settings.kafka
    if refused := _too_weak(settings):
        return [refused]
    there = _partitions(broker, kafka, within)
    configured = _configured(broker, [name for name in everything() if name in there])
    return [
        step
        for name, config in everything().items()
        for step in _steps(name, config, there.get(name), configured.get(name, {}), kafka)
    ]


def apply(settings: Settings, configure: bool = False) -> list[Step]:
    """Creates what is missing, and sets existing topics only if that is asked for: an operator may have changed them in need.

    Returns what was done; running it again changes nothing. Raises Differs for what it refuses to do.
    """
    broker = admin(settings.kafka)
    steps = [step for step in _topics(broker, settings) if configure or step.action != "configure"]
    if refused := [step for step in steps if step.action == "refuse"]:
        raise Differs("\n".join(f"{step.topic}: {step.why}" for step in refused))
    _create(broker, [step for step in steps if step.action == "create"], settings.kafka)
    _configure(broker, [step for step in steps if step.action == "configure"])
    try:
        id, owner = installation_id(settings), installation.claimed(settings.kafka, installation.PATIENTLY)
        claims = [] if owner else [_claiming(id)]
        _owned(owner or installation.claim(settings.kafka, id), settings)
        recorded = installation.record(settings.kafka)
        return [*steps, *claims, *([_recording(recorded)] if recorded else [])]
    except Unread as away:
        raise Away(f"{away}; run it again") from None


def check(settings: Settings, within: float = WITHIN) -> dict[str, str]:
    """The ids of all topics; the broker has so many seconds for its first answer.

    Raises Differs when one is missing or differs: starting then would tear events apart. Warns where recovery is slow.
    """
    broker = admin(settings.kafka)
    try:
        wrong = [step for step in _topics(broker, settings, within) if step.action in ("create", "refuse")]
        if wrong:
            listed = "; ".join(f"{step.topic}: {step.why}" for step in wrong[:5])
            more = f"; and {len(wrong) - 5} more" if len(wrong) > 5 else ""
            raise Differs(f"the topics are not as the catalogue says ({listed}{more}); run `soulfra topics apply`")
        _owned(installation.claimed(settings.kafka), settings)
        for sentence in slow(broker):
            log.warning("%s", sentence)
        return topic_ids(broker, list(everything()))
    except Unread as away:
        raise Away(str(away)) from None
    except KafkaException as away:
        raise Away(f"the broker does not say how the topics are: {away.args[0].str()}") from None


def topic_ids(broker: AdminClient, names: list[str]) -> dict[str, str]:
    """The broker's own id of each topic: a recreated topic has another one."""
    topics = TopicCollection(names)
    described = answers(lambda seconds: broker.describe_topics(topics, request_timeout=seconds), ANSWER)
    return {name: str(topic.topic_id) for name, topic in described.items()}


def _claiming(id: str) -> Step:
    return Step("claim", INSTALLATION, f"for the installation {id}")


def _owned(owner: str, settings: Settings) -> None:
    """Raises Differs unless the topics are those of the installation whose secret we have."""
    ours = installation_id(settings)
    if not owner:
        raise Differs("nobody has claimed these topics yet; run `soulfra topics apply`")
    if owner != ours:
        raise Differs(
            f"these topics belong to the installation {owner}, and this process is of {ours}: SOULFRA_KEYS__INSTALLATION "
            f"is another secret than theirs, or SOULFRA_KAFKA__BOOTSTRAP ({settings.kafka.bootstrap}) another broker than ours"
        )


def _contracts(kafka: Kafka) -> list[Step]:
    """Whether older processes have to be told of events that this release brings. Raises Unread."""
    before = installation.recorded(kafka)
    grown = before | installation.ours()
    return [_recording(grown)] if grown != before else []


def _recording(contracts: installation.Contracts) -> Step:
    why = f"contracts up to {contracts.newest} and {len(contracts.events)} types of events are known"
    return Step("record", INSTALLATION, why)


def _too_weak(settings: Settings) -> Step | None:
    kafka = settings.kafka
    if settings.environment == "laptop" or (kafka.replication >= 3 and kafka.min_insync_replicas >= 2):
        return None
    return Step("refuse", "all topics", "outside a laptop SOULFRA_KAFKA__REPLICATION must be 3 and "
                "SOULFRA_KAFKA__MIN_INSYNC_REPLICAS 2, else one lost disk loses events")  # fmt: skip


def _partitions(broker: AdminClient, kafka: Kafka, within: float) -> dict[str, int]:
    try:
        listed = broker.list_topics(timeout=within)
    except KafkaException as away:
        broker.poll(0)  # it calls back only then
        why = refusals.sentence() or f"{away.args[0].str()}; is it running, and does SOULFRA_KAFKA__BOOTSTRAP name it?"
        raise Away(f"no Kafka broker answers at {kafka.bootstrap}: {why}") from None
    return {name: len(topic.partitions) for name, topic in listed.topics.items()}


def _configured(broker: AdminClient, names: list[str]) -> dict[str, dict[str, str]]:
    resources = [ConfigResource(ResourceType.TOPIC, name) for name in names]
    if not resources:
        return {}
    try:
        configs = answers(lambda seconds: broker.describe_configs(resources, request_timeout=seconds), ANSWER)
        return {topic.name: {key: entry.value for key, entry in config.items()} for topic, config in configs.items()}
    except KafkaException as away:
        raise Away(f"the broker does not say how the topics are: {away.args[0].str()}; run it again") from None


def _steps(name: str, config: dict[str, str], there: int | None, has: dict[str, str], kafka: Kafka) -> list[Step]:
    wanted = config | {"min.insync.replicas": str(kafka.min_insync_replicas)}
    if there is None:
        return [Step("create", name, "is missing", tuple(wanted.items()))]
    if there != kafka.partitions:
        why = f"has {there} partitions, not {kafka.partitions}: set SOULFRA_KAFKA__PARTITIONS={there}"
        return [Step("refuse", name, why)]
    differing = {key: value for key, value in wanted.items() if has.get(key) != value}
    told = ", ".join(f"{key} is {has.get(key)}, not {value}" for key, value in differing.items())
    return [Step("configure", name, told, tuple(differing.items()))] if differing else []


def _create(broker: AdminClient, steps: list[Step], kafka: Kafka) -> None:
    new = [NewTopic(step.topic, kafka.partitions, kafka.replication, config=dict(step.config)) for step in steps]
    if new:
        _settle(broker.create_topics(new, request_timeout=WITHIN), already="TOPIC_ALREADY_EXISTS")


def _configure(broker: AdminClient, steps: list[Step]) -> None:
    resources = [
        ConfigResource(
            ResourceType.TOPIC,
            step.topic,
            incremental_configs=[
                ConfigEntry(key, value, incremental_operation=AlterConfigOpType.SET) for key, value in step.config
            ],
        )
        for step in steps
    ]
    if resources:
        _settle(broker.incremental_alter_configs(resources, request_timeout=WITHIN))


def _settle(asked: dict[Any, Any], already: str = "") -> None:
    for future in as_completed(asked.values()):
        try:
            future.result()
        except KafkaException as refused:
            if refused.args[0].name() != already:
                raise Differs(f"the broker refused: {refused.args[0].str()}") from None
