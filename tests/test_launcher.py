"""What `make run` promises: it starts everything, names what is in the way, and leaves nothing behind."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from cli.errors import Failed
from cli.local import logs
from cli.local.children import Child, Part, Process
from cli.local.home import Home
from cli.local.java import NO_JARS
from cli.local.kafka import Kafka
from cli.local.ports import free
from cli.local.valkey import Valkey
from tests.markers import cut

ROOT = Path(__file__).parents[1]
PATIENCE = 300.0  # seconds; a machine may be busy with other work

# A launcher with stand-ins for the workers: argv[1] is a JSON list of (name, argv, ready_url).
LAUNCHER = """
import json, sys
from cli.errors import Failed
from cli.local.children import Child
from cli.local.run import run
children = [Child(*child) for child in json.loads(sys.argv[1])]
try:
    run(first=[], children=children)
except Failed as failed:
    sys.exit(f"soulfra: {failed}")
"""
SLEEPS = [sys.executable, "-c", "import time; print('sleeping', flush=True); time.sleep(600)"]
HAS_A_CHILD = [
    sys.executable,
    "-c",
    "import subprocess, sys; print(subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)']).pid,"
    " flush=True); import time; time.sleep(600)",
]
DEAF = [
    sys.executable,
    "-c",
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf', flush=True); time.sleep(600)",
]
DIES = [sys.executable, "-c", "import sys, time; print('the disk is full'); time.sleep(1); sys.exit(3)"]

Environment = dict[str, str]


@pytest.fixture
def elsewhere(tmp_path: Path) -> Environment:
    """Settings of a machine of its own: no port and no folder of anyone else."""
    names = [
        "EDGE__PORT",
        "LOCAL__KAFKA_PORT",
        "LOCAL__CONTROLLER_PORT",
        "LOCAL__REDIS_PORT",
        *(f"TELEMETRY__{part}_PORT" for part in ("EDGE", "TABLES", "ANALYSIS", "PROJECTOR")),
    ]
    clean = {name: value for name, value in os.environ.items() if not name.startswith("SOULFRA_")}
    moved = {f"SOULFRA_{name}": str(free("127.0.0.1")) for name in names}
    return {**clean, **moved, "SOULFRA_LOCAL__DATA": str(tmp_path / "data"), "PYTHONPATH": str(ROOT)}


@pytest.fixture
def no_servers(elsewhere: Environment) -> Environment:
    """As if broker and Redis ran already, where only the supervision matters."""
    return {
        **elsewhere,
        "SOULFRA_KAFKA__BOOTSTRAP": "127.0.0.1:1",
        "SOULFRA_REDIS__URL": "redis://127.0.0.1:1/0",
    }


class Launched:
    """A launcher in a process of its own, and what it said."""

    def __init__(self, environment: Environment, *children: Child) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-W", "error", "-c", LAUNCHER, json.dumps(children)],
            env=environment,
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.said = ""

    def until(self, words: str) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.said += line
            if words in line:
                return
        raise AssertionError(f"it ended without saying {words!r}:\n{self.said}")

    def ended(self) -> int:
        """The exit code, once it ended by itself."""
        self.said += self.process.communicate(timeout=PATIENCE)[0]
        return self.process.returncode

    def pids(self, wanted: int) -> list[int]:
        """Everything below it, once it is that many: the guardian, its parts, and what those started."""
        until = time.monotonic() + PATIENCE
        while len(below := psutil.Process(self.process.pid).children(recursive=True)) != wanted:
            assert time.monotonic() < until, below
            time.sleep(0.05)
        return [child.pid for child in below]


@pytest.fixture
def launch() -> Iterator[Callable[..., Launched]]:
    launched: list[Launched] = []

    def start(environment: Environment, *children: Child) -> Launched:
        launched.append(Launched(environment, *children))
        return launched[-1]

    yield start
    for one in launched:
        if one.process.poll() is None:
            one.process.terminate()
            one.process.communicate(timeout=PATIENCE)
        elif one.process.stdout is not None:
            one.process.stdout.close()


def soulfra(environment: Environment, *words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-W", "error", "-m", "cli", *words]
    return subprocess.run(
        command, env=environment, cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE, check=False
    )


def gone(pids: list[int], seconds: float = 10.0) -> bool:
    """Whether none of these runs any more, given some seconds."""
    until = time.monotonic() + seconds
    while any(_runs(pid) for pid in pids):
        if time.monotonic() > until:
            return False
        time.sleep(0.05)
    return True


def _runs(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def test_a_taken_port_is_named_with_the_setting_that_moves_it(elsewhere: Environment) -> None:
    for setting in ("SOULFRA_EDGE__PORT", "SOULFRA_LOCAL__KAFKA_PORT", "SOULFRA_TELEMETRY__TABLES_PORT"):
        with socket.create_server(("127.0.0.1", int(elsewhere[setting]))):
            ran = soulfra(elsewhere, "run")
        assert ran.returncode == 1
        assert f"port {elsewhere[setting]}" in ran.stderr
        assert f"set {setting}" in ran.stderr
        assert "Traceback" not in ran.stderr


def test_one_port_for_two_parts_is_refused(elsewhere: Environment) -> None:
    ran = soulfra({**elsewhere, "SOULFRA_LOCAL__KAFKA_PORT": elsewhere["SOULFRA_EDGE__PORT"]}, "run")
    assert ran.returncode == 1
    assert "SOULFRA_EDGE__PORT and SOULFRA_LOCAL__KAFKA_PORT both say" in ran.stderr


def test_a_folder_of_a_newer_version_is_left_alone(elsewhere: Environment) -> None:
    folder = Path(elsewhere["SOULFRA_LOCAL__DATA"])
    folder.mkdir()
    (folder / "version").write_text("99\n")
    ran = soulfra(elsewhere, "run")
    assert ran.returncode == 1
    assert "was written by a newer Soulfra (version 99" in ran.stderr
    assert (folder / "version").read_text() == "99\n"


def test_reset_deletes_only_a_folder_of_ours(elsewhere: Environment) -> None:
    folder = Path(elsewhere["SOULFRA_LOCAL__DATA"])
    folder.mkdir()
    (folder / "thesis.txt").write_text("years of work")
    refused = soulfra(elsewhere, "reset", "--yes")
    assert refused.returncode == 1
    assert "is not Soulfra's" in refused.stderr
    Home(folder).open()
    assert soulfra(elsewhere, "reset", "--yes").returncode == 0
    assert not folder.exists()


def test_a_second_launcher_names_the_first_and_stop_ends_it(
    no_servers: Environment, launch: Callable[..., Launched]
) -> None:
    first = launch(no_servers, Child("worker", SLEEPS))
    first.until("is ready:")
    second = soulfra(no_servers, "run")
    assert second.returncode == 1
    assert f"process {first.process.pid}" in second.stderr
    assert "`soulfra stop` ends it" in second.stderr
    assert "already runs" in soulfra(no_servers, "reset", "--yes").stderr
    assert soulfra(no_servers, "stop").returncode == 0
    assert first.ended() == 0


def test_ctrl_c_leaves_no_process(no_servers: Environment, launch: Callable[..., Launched]) -> None:
    launcher = launch(no_servers, Child("sleeper", SLEEPS), Child("parent", HAS_A_CHILD))
    launcher.until("is ready:")
    pids = launcher.pids(4)
    launcher.process.send_signal(signal.SIGINT)
    assert launcher.ended() == 0
    assert gone(pids)
    assert "stopped; everything is kept" in launcher.said


def test_a_deaf_process_is_ended_after_its_grace(tmp_path: Path) -> None:
    deaf = Part(Child("deaf", DEAF), tmp_path)
    deaf.grace = 0.3
    deaf.start()
    while not (tmp_path / "deaf.log").read_bytes():
        time.sleep(0.05)
    pid = deaf.pid
    deaf.stop()
    assert deaf.code == -signal.SIGKILL
    assert gone([pid])


def test_kill_of_the_launcher_leaves_no_orphan_and_the_next_run_says_so(
    no_servers: Environment, launch: Callable[..., Launched]
) -> None:
    killed = launch(no_servers, Child("sleeper", SLEEPS), Child("parent", HAS_A_CHILD))
    killed.until("is ready:")
    pids = killed.pids(4)
    killed.process.kill()
    killed.process.wait()
    assert gone(pids)
    after = launch(no_servers, Child("sleeper", SLEEPS))
    after.until("is ready:")
    assert f"the last run (process {killed.process.pid}" in after.said
    assert "was killed; taking over" in after.said


def test_a_part_that_dies_is_named_with_its_last_lines_and_all_is_stopped(
    no_servers: Environment, launch: Callable[..., Launched]
) -> None:
    launcher = launch(no_servers, Child("sleeper", SLEEPS), Child("tables", DIES))
    launcher.until("is ready:")
    pids = launcher.pids(3)
    assert launcher.ended() == 1
    assert "tables ended by itself with exit code 3; its last lines:\n    the disk is full" in launcher.said
    assert "tables.log" in launcher.said
    assert gone(pids)


def test_a_part_that_is_never_ready_is_given_up(tmp_path: Path) -> None:
    part = Part(Child("tables", SLEEPS, f"http://127.0.0.1:{free('127.0.0.1')}/readyz"), tmp_path)
    part.patience = 0.5
    with pytest.raises(Failed, match="tables did not become ready within"):
        part.start()
    assert not part.running


def test_a_log_file_never_outgrows_its_bound(tmp_path: Path) -> None:
    talks = f"print(('x' * 99 + chr(10)) * {5 * logs.SIZE // 100}, flush=True)"
    talker = Process("talker", [sys.executable, "-c", talks], tmp_path)
    talker.spawn()
    talker.until_done()
    sizes = [file.stat().st_size for file in tmp_path.iterdir()]
    assert len(sizes) == logs.KEPT
    assert max(sizes) <= logs.SIZE


def test_without_java_and_maven_the_message_names_the_ways_out(elsewhere: Environment, tmp_path: Path) -> None:
    """A checkout without jars, on a machine with an empty PATH, whose installers have nothing to install from."""
    script = f"""
import sys
from pathlib import Path
import cli.local.java as java, cli.setup as setup
setup.VENV = Path({str(tmp_path)!r})
setup.pip = lambda *words: 1
java.TOOLS = Path({str(tmp_path)!r})
java._bundled = lambda: None
for find in (java.java, java.jars):
    try:
        find()
    except java.Failed as failed:
        print(failed)
"""
    bare = {**elsewhere, "PATH": "", "JAVA_HOME": ""}
    command = [sys.executable, "-c", script]
    said = subprocess.run(command, env=bare, cwd=ROOT, capture_output=True, text=True, check=False).stdout
    assert "no Java 17 or newer was found" in said
    assert "openjdk-17-jre-headless" in said
    assert "Maven (`mvn`) is not on the PATH" in said
    assert said.count("SOULFRA_KAFKA__BOOTSTRAP") == 2
    assert "by hand" in NO_JARS


def test_doctor_says_what_is_in_the_way(elsewhere: Environment) -> None:
    with socket.create_server(("127.0.0.1", int(elsewhere["SOULFRA_EDGE__PORT"]))):
        sick = soulfra(elsewhere, "doctor", "--json")
    found = json.loads(sick.stdout)
    assert sick.returncode == 1
    assert not found["healthy"]
    assert [one["about"] for one in found["findings"] if not one["ok"]] == ["port"]


def test_a_server_that_was_killed_starts_again(tmp_path: Path) -> None:
    with Valkey(tmp_path, free("127.0.0.1")) as valkey:
        killed = valkey.pid
        valkey.kill()
        valkey.start()
        assert valkey.pid != killed


def make_topic(bootstrap: str, name: str) -> None:
    from confluent_kafka.admin import AdminClient, NewTopic

    admin = AdminClient({"bootstrap.servers": bootstrap})
    admin.create_topics([NewTopic(name, 1)])[name].result(PATIENCE)


def topics(bootstrap: str) -> set[str]:
    from confluent_kafka.admin import AdminClient

    return set(AdminClient({"bootstrap.servers": bootstrap}).list_topics(timeout=PATIENCE).topics)


@pytest.mark.kafka
def test_a_second_run_keeps_what_the_first_had(elsewhere: Environment, launch: Callable[..., Launched]) -> None:
    bootstrap = f"127.0.0.1:{elsewhere['SOULFRA_LOCAL__KAFKA_PORT']}"
    first = launch(elsewhere, Child("worker", SLEEPS))
    first.until("is ready:")
    make_topic(bootstrap, "kept")
    pids = first.pids(4)
    first.process.terminate()
    assert first.ended() == 0
    assert gone(pids)

    second = launch(elsewhere, Child("worker", SLEEPS))
    second.until("is ready:")
    assert "kept" in topics(bootstrap)
    pids = second.pids(4)
    second.process.kill()
    second.process.wait()
    assert gone(pids)


def commit_a_transaction(bootstrap: str, topic: str) -> None:
    from confluent_kafka import Producer

    producer = Producer({"bootstrap.servers": bootstrap, "transactional.id": "outside"})
    producer.init_transactions(PATIENCE)
    producer.begin_transaction()
    producer.produce(topic, b"value", b"key", 0)
    producer.commit_transaction(PATIENCE)
    until = time.monotonic() + PATIENCE
    while stable_end(bootstrap, topic) < stable_end(
        bootstrap, topic, committed=False
    ):  # its marker is written a little later
        assert time.monotonic() < until
        time.sleep(0.05)


def stable_end(bootstrap: str, topic: str, committed: bool = True) -> int:
    from confluent_kafka import IsolationLevel, TopicPartition
    from confluent_kafka.admin import AdminClient, OffsetSpec

    level = IsolationLevel.READ_COMMITTED if committed else IsolationLevel.READ_UNCOMMITTED
    admin, place = AdminClient({"bootstrap.servers": bootstrap}), TopicPartition(topic, 0)
    offset: int = admin.list_offsets({place: OffsetSpec.latest()}, isolation_level=level)[place].result(PATIENCE).offset
    return offset


@pytest.mark.kafka
def test_a_run_ends_transactions_that_its_broker_had_left_hanging_and_so_does_doctor(
    elsewhere: Environment, launch: Callable[..., Launched]
) -> None:
    bootstrap = f"127.0.0.1:{elsewhere['SOULFRA_LOCAL__KAFKA_PORT']}"
    log = Path(elsewhere["SOULFRA_LOCAL__DATA"]) / "kafka" / "log"
    for how in ("run", "doctor"):
        first = launch(elsewhere, Child("worker", SLEEPS))
        first.until("is ready:")
        if how == "run":
            make_topic(bootstrap, "usage.recorded")
        commit_a_transaction(bootstrap, "usage.recorded")
        first.process.terminate()
        assert first.ended() == 0
        cut(log, [("usage.recorded", 0)])
        if how == "run":
            second = launch(elsewhere, Child("worker", SLEEPS))
            second.until("1 transactions that the broker had left hanging were ended")
            second.process.terminate()
            assert second.ended() == 0
    with Kafka(log.parent, *(int(elsewhere[f"SOULFRA_LOCAL__{name}_PORT"]) for name in ("KAFKA", "CONTROLLER"))):
        sick = soulfra(elsewhere, "doctor", "--json")
        [finding] = [one for one in json.loads(sick.stdout)["findings"] if one["about"] == "transactions"]
        assert not finding["ok"] and "usage.recorded/0 stands still" in finding["says"] and "--mend" in finding["says"]
        mended = soulfra(elsewhere, "doctor", "--mend")
        assert mended.returncode == 0 and "ended: usage.recorded/0" in mended.stdout, mended.stdout + mended.stderr
        again = soulfra(elsewhere, "doctor", "--mend", "--json")
        assert json.loads(again.stdout)["findings"] == [{"about": "transactions", "ok": True, "says": "none hangs"}]


@pytest.mark.kafka
def test_a_broker_that_was_killed_serves_again_with_its_topics(tmp_path: Path) -> None:
    with Kafka(tmp_path, free("127.0.0.1"), free("127.0.0.1")) as kafka:
        make_topic(kafka.bootstrap, "kept")
        kafka.kill()
        kafka.start()
        assert "kept" in topics(kafka.bootstrap)


def test_the_broker_that_is_fetched_is_the_one_the_pom_names() -> None:
    from cli.local.java import jars_folder, kafka_version

    assert re.fullmatch(r"4\.\d+\.\d+", kafka_version())
    assert jars_folder().name.endswith(kafka_version())
