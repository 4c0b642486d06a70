"""How Soulfra is set: one typed tree, read from the environment, an overlay and secret files.

The most specific source wins: `SOULFRA_<SECTION>__<KEY>`, then a file of that name in `SOULFRA_SECRETS_DIR`,
then `config/<environment>.yaml`, then the default, which runs on a laptop.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError
from pydantic_settings import (
    BaseSettings,
    EnvSettingsSource,
    NestedSecretsSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    YamlConfigSettingsSource,
)

from config import address

PREFIX = "SOULFRA_"
FAILPOINT = f"{PREFIX}FAILPOINT"  # of tests that kill a worker at a step of a commit; read by streams/app.py
HERE = Path(__file__).parent
MEBIBYTE = 1024 * 1024
SHORTEST_SECRET = 16  # characters

Environment = Literal["laptop", "production"]


class WrongSettings(Exception):
    """The settings cannot be used; the message names every mistake at once."""


class Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Kafka(Section):
    """Where the log is, and how many copies of it there are."""

    bootstrap: str = Field("127.0.0.1:9092", description="host:port of one or more brokers")
    public_bootstrap: str = Field(
        "", description="as producers outside reach it, for the AsyncAPI document; left out when empty"
    )
    partitions: int = Field(8, ge=1, le=1024, description="of every topic; never changed on an existing one")
    replication: int = Field(1, ge=1, le=7, description="copies of every partition")
    min_insync_replicas: int = Field(1, ge=1, le=7, description="copies that must have a record before it counts")
    security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = "PLAINTEXT"
    sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] = "SCRAM-SHA-512"
    sasl_username: str = ""
    sasl_password: SecretStr = SecretStr("")
    ca_file: Path | None = Field(None, description="certificate authorities of the brokers")
    accept_within: float = Field(5.0, gt=0, le=60, description="seconds the edge waits for the broker's word")


class Redis(Section):
    """The disposable read copy of the tables, and the progress of running analyses."""

    url: SecretStr = SecretStr("redis://127.0.0.1:6380/0")
    connections: int = Field(16, ge=1, le=10_000, description="of one edge; readers share them")
    timeout: float = Field(1.0, gt=0, le=30, description="seconds until a query gives up on Redis")


class Objects(Section):
    """Where uploads and results lie."""

    url: str = Field("", description="file:///folder or s3://bucket/prefix; a folder in .data when empty")
    region: str = Field("", description="of the bucket, for s3://")
    endpoint: str = Field("", description="of an S3 server other than Amazon's")
    unfinished_seconds: float = Field(
        3600.0, gt=0, description="until a file is removed that somebody began to store in a folder, and left"
    )


class Registry(Section):
    """A Confluent-compatible schema registry for schemas that are not ours (ids below 2^30)."""

    url: str = Field("", description="empty: only our own frozen contracts are read")


class Edge(Section):
    """The HTTP edge."""

    host: str = "127.0.0.1"
    port: int = Field(8080, ge=1, le=65_535)
    public_url: str = Field("", description="as people reach it; http://<host>:<port> when empty")
    upload_limit: int = Field(100 * MEBIBYTE, ge=1, description="bytes of one uploaded file")
    batch_limit: int = Field(1_000, ge=1, le=10_000, description="events of one POST")
    body_limit: int = Field(4 * MEBIBYTE, ge=1_024, description="bytes of one POST of events")
    uploads: int = Field(64, ge=1, le=10_000, description="uploads that one process takes at a time")
    uploads_per_person: int = Field(
        4, ge=1, le=1_000, description="uploads of one person that a process takes at a time"
    )
    drain_seconds: float = Field(
        8.0, gt=0, le=3_600, description="after SIGTERM, until what is still under way is ended with a 503"
    )
    sse_seconds: float = Field(20.0, gt=0, le=300, description="until an event stream ends by itself")

    @property
    def address(self) -> str:
        return self.public_url or f"http://{self.host}:{self.port}"


class Auth(Section):
    """Who may call."""

    jwks: str = Field("", description="file or https URL of the issuer's public keys; the built-in issuer when empty")
    token_type: Literal["at+jwt", "any"] = Field(
        "at+jwt", description="`typ` that tokens must have (RFC 9068); any: for issuers that do not mark access tokens"
    )
    issuer: str = "soulfra"
    audience: str = "soulfra"
    token_days: int = Field(30, ge=1, le=366, description="lifetime of tokens of the built-in issuer")
    leeway: int = Field(30, ge=0, le=60, description="seconds that clocks may differ")


class Keys(Section):
    """The durable secrets of an installation; without them tokens and keyed hashes change."""

    installation: SecretStr = Field(
        SecretStr(""), description="secret of the keyed hashes; made at first start when empty"
    )


class Worker(Section):
    """The stream workers."""

    instance: str = Field(
        "1", pattern=r"^[A-Za-z0-9._-]{1,64}$", description="name of this process among its like, kept over restarts"
    )
    analysis_processes: int = Field(0, ge=0, le=64, description="0: as many as there are cores")
    analysis_seconds: float = Field(
        300.0, gt=0, description="of work on one file, or half of a large one, until it is given up"
    )
    analysis_memory: int = Field(
        0, ge=0, description="bytes that one analysing process may take; 0: an equal share of the container's limit"
    )
    analysis_disk: int = Field(1024 * MEBIBYTE, ge=1, description="bytes of uploads on the worker's disk at a time")
    stuck_seconds: float = Field(120.0, gt=0, description="assigned and not progressing: not live")


class Wording(Section):
    """A language model that may say insights in other words. It sees statements without names, never quotes or the chat."""

    url: str = Field("", description="base URL that has /chat/completions as OpenAI's; nobody is asked when empty")
    key: SecretStr = SecretStr("")
    model: str = Field("", description="as the server names it")
    seconds: float = Field(20.0, gt=0, le=300, description="until statements stay as they are")


class Telemetry(Section):
    """What is told about the system."""

    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    host: str = Field("127.0.0.1", description="where metrics and health of workers are served")
    edge_port: int = Field(9101, ge=0, le=65_535)
    tables_port: int = Field(9102, ge=0, le=65_535)
    analysis_port: int = Field(9103, ge=0, le=65_535)
    projector_port: int = Field(9104, ge=0, le=65_535)


class Local(Section):
    """What `soulfra run` starts on one machine."""

    data: Path = Field(Path(".data"), description="folder of everything kept")
    kafka_port: int = Field(9092, ge=1, le=65_535)
    controller_port: int = Field(9093, ge=1, le=65_535)
    redis_port: int = Field(6380, ge=1, le=65_535)


class Settings(BaseSettings):
    """Every knob of Soulfra, with its bound and its default."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        env_nested_delimiter="__",
        extra="forbid",
        frozen=True,
        nested_model_default_partial_update=True,
    )

    environment: Environment = "laptop"
    kafka: Kafka = Kafka()
    redis: Redis = Redis()
    objects: Objects = Objects()
    registry: Registry = Registry()
    edge: Edge = Edge()
    auth: Auth = Auth()
    keys: Keys = Keys()
    worker: Worker = Worker()
    wording: Wording = Wording()
    telemetry: Telemetry = Telemetry()
    local: Local = Local()

    @classmethod
    def settings_customise_sources(
        cls, settings_cls: type[BaseSettings], init_settings: PydanticBaseSettingsSource, *_: Any, **__: Any
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return (init_settings, *(source for _, source in sources(settings_cls)))

    @property
    def objects_url(self) -> str:
        return self.objects.url or (self.local.data.resolve() / "objects").as_uri()

    @property
    def keys_folder(self) -> Path:
        return self.local.data / "keys"


def environment() -> str:
    return os.environ.get(f"{PREFIX}ENVIRONMENT", "laptop")


def sources(of: type[BaseSettings] = Settings) -> list[tuple[str, PydanticBaseSettingsSource]]:
    """The places a setting can come from, the most specific first, with the name a person knows them by."""
    overlay = HERE / f"{environment()}.yaml"
    found: list[tuple[str, PydanticBaseSettingsSource]] = [("environment", EnvSettingsSource(of))]
    if secrets := os.environ.get(f"{PREFIX}SECRETS_DIR"):
        found.append((secrets, NestedSecretsSettingsSource(EnvSettingsSource(of), secrets_dir=secrets)))
    found.append((f"config/{overlay.name}", YamlConfigSettingsSource(of, yaml_file=overlay)))
    return found


@cache
def settings() -> Settings:
    """The settings of this process. Raises WrongSettings that names all mistakes."""
    mistakes = [f"  {name}: there is no such setting" for name in unknown_names()]
    mistakes += [f"  {name}: there is no such setting; it is a key of the Secret" for name in unknown_secrets()]
    try:
        read = Settings()
        mistakes += [f"  {name_of(key)}: {why}" for key, why in contradictions(read)]
    except ValidationError as wrong:
        told = unknown_names()
        found = [(error, _mistake(error["loc"], error["msg"], error.get("input"))) for error in wrong.errors()]
        mistakes += [mistake for error, mistake in found if name_of(_key(error["loc"])) not in told]
    if mistakes:
        raise WrongSettings(
            "\n".join(["these settings cannot be used (`soulfra config show` lists all):", *sorted(mistakes)])
        )
    return read


def unknown_names() -> list[str]:
    """Variables that look like ours and set nothing: a typing mistake would otherwise be silent."""
    known = _names() | {f"{PREFIX}ENVIRONMENT", f"{PREFIX}SECRETS_DIR", FAILPOINT}
    return [name for name in os.environ if name.upper().startswith(PREFIX) and name.upper() not in known]


def unknown_secrets() -> list[str]:
    """Files of the folder of secrets that set nothing; hidden ones are Kubernetes' own."""
    folder, known = Path(os.environ.get(f"{PREFIX}SECRETS_DIR") or os.devnull), _names()
    names = sorted(file.name for file in folder.iterdir()) if folder.is_dir() else []
    return [name for name in names if not name.startswith(".") and name.upper() not in known]


def _names() -> set[str]:
    return {name_of(key) for key in every_key()}


def contradictions(read: Settings) -> Iterator[tuple[str, str]]:
    """Settings that are each well formed and cannot work together, with why."""
    kafka, secret = read.kafka, read.keys.installation.get_secret_value()
    protocol, choose = kafka.security_protocol, "choose one with `openssl rand -hex 32`"
    if read.environment != "laptop" and not secret:
        why = "is missing; without it each process makes its own, and keyed hashes in the log never match again"
        yield "keys.installation", f"{why}: {choose}, keep a copy, and give it to all processes"
    if secret and len(secret) < SHORTEST_SECRET:
        yield "keys.installation", f"is shorter than {SHORTEST_SECRET} characters; {choose}"
    named = protocol.startswith("SASL")
    if named and not (kafka.sasl_username and kafka.sasl_password.get_secret_value()):
        yield "kafka.sasl_username", f"{protocol} needs a user, and SOULFRA_KAFKA__SASL_PASSWORD"
    if kafka.sasl_username and not named:
        yield "kafka.sasl_username", f"{protocol} sends no user; set SOULFRA_KAFKA__SECURITY_PROTOCOL=SASL_SSL"
    if kafka.ca_file and "SSL" not in protocol:
        yield "kafka.ca_file", f"{protocol} is not encrypted; set SOULFRA_KAFKA__SECURITY_PROTOCOL"
    try:
        address.check(read.redis.url.get_secret_value())
    except ValueError as wrong:
        yield "redis.url", str(wrong)
    if kafka.min_insync_replicas > kafka.replication:
        why = f"is more than the {kafka.replication} copies that there are: nothing could be written"
        yield "kafka.min_insync_replicas", why


def every_key() -> list[str]:
    """Every setting as `section.key`."""
    return ["environment"] + [
        f"{section}.{key}"
        for section, field in Settings.model_fields.items()
        if isinstance(field.annotation, type) and issubclass(field.annotation, Section)
        for key in field.annotation.model_fields
    ]


def name_of(key: str) -> str:
    """The environment variable of `section.key`."""
    return PREFIX + key.replace(".", "__").upper()


def _mistake(place: tuple[int | str, ...], said: str, value: object) -> str:
    key = _key(place)
    shown = "" if isinstance(value, dict) or _is_secret(key.lower()) else f", not {value!r}"
    return f"  {name_of(key)}: {said[:1].lower()}{said[1:]}{shown}"


def _key(place: tuple[int | str, ...]) -> str:
    return ".".join(str(part) for part in place)


def _is_secret(key: str) -> bool:
    return any(word in key for word in ("password", "secret", "keys.", "redis.url", "sasl_p"))
