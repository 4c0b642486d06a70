"""What an analysing process may take, and the folder of a worker. Without a broker."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from config import MEBIBYTE
from streams.engine import Stopped
from streams.memory import LEAST, MOST, OWN, container_limit, share
from streams.workspace import Workspace


def test_each_process_has_an_equal_share_of_what_the_container_has() -> None:
    assert share(2, 1024 * MEBIBYTE) == 208 * MEBIBYTE
    assert share(2, None) == MOST and share(1, 64 * 1024 * MEBIBYTE) == MOST
    assert share(2, OWN + 4 * LEAST) == LEAST
    with pytest.raises(Stopped, match=r"1024 MiB of memory are too few for 16 .* SOULFRA_WORKER__ANALYSIS_PROCESSES=2"):
        share(16, 1024 * MEBIBYTE)


def written(folder: Path, **files: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (folder / name.replace("__", ".")).write_text(content)
    return folder


def test_the_narrowest_limit_around_a_process_counts(tmp_path: Path) -> None:
    ours = tmp_path / "cgroup"
    written(tmp_path / "groups", memory__max="max\n")
    written(tmp_path / "groups" / "pod", memory__max="500\n")
    written(tmp_path / "groups" / "pod" / "worker", memory__max="900\n")
    ours.write_text("0::/pod/worker\n")
    assert container_limit(ours, tmp_path / "groups") == 500
    ours.write_text("0::/seen/from/outside\n")  # in a container its own group is the root
    written(tmp_path / "groups", memory__max="700\n")
    assert container_limit(ours, tmp_path / "groups") == 700
    assert container_limit(tmp_path / "none", tmp_path / "groups") is None


def test_the_limits_of_the_first_version_of_control_groups_are_read_too(tmp_path: Path) -> None:
    ours = tmp_path / "cgroup"
    ours.write_text("5:memory:/docker/1\n4:cpu,cpuacct:/docker/1\n")
    written(tmp_path / "memory", memory__limit_in_bytes=f"{9223372036854771712}\n")
    assert container_limit(ours, tmp_path) is None
    written(tmp_path / "memory" / "docker" / "1", memory__limit_in_bytes="300\n")
    assert container_limit(ours, tmp_path) == 300


DIES = """
import os, sys
from pathlib import Path
from streams.workspace import Workspace
print(Workspace(Path(sys.argv[1])).folder, flush=True)
if sys.argv[2] == "dies":
    os.kill(os.getpid(), 9)
sys.stdin.read()
"""


def test_only_folders_of_the_dead_are_removed_whatever_their_process_ids(tmp_path: Path) -> None:
    def begun(how: str) -> tuple[subprocess.Popen[str], Path]:
        words = [sys.executable, "-c", DIES, str(tmp_path), how]
        process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None
        return process, Path(process.stdout.readline().strip())

    dead, left = begun("dies")
    dead.communicate("", 60)
    (left / "upload").write_text("private")
    living, kept = begun("lives")
    assert not left.exists() and kept.exists()
    mine = Workspace(tmp_path)
    try:
        assert kept.exists() and mine.folder.exists()
        with mine.task() as task:
            assert Path(task).parent == mine.folder
    finally:
        mine.close()
        living.communicate("", 60)
    assert not mine.folder.exists()
