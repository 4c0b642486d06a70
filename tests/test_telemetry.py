"""What a process prints: one JSON line each in ECS fields, whatever happens, and never what people wrote."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

CANARY = "kanarienvogel-4711"
PROGRAM = """
import logging, sys, threading, warnings
from config import telemetry

telemetry.start("test", "laptop")
log = logging.getLogger("soulfra")
chat = {"text": sys.argv[1]}


def fails(kind):
    try:
        raise kind(chat["text"])
    except kind:
        log.exception("the work failed")


def fails_in_turn():
    try:
        try:
            int(chat["text"])
        except ValueError as wrong:
            raise RuntimeError(chat["text"]) from wrong
    except RuntimeError:
        log.exception("the work failed")


fails(KeyError)
fails(UnicodeError)
fails_in_turn()
fails(FileNotFoundError)
warnings.warn("something is old")
thread = threading.Thread(target=lambda: chat[chat["text"]])
thread.start()
thread.join()
raise AssertionError(chat["text"])
"""


def printed(word: str) -> list[dict[str, Any]]:
    done = subprocess.run([sys.executable, "-c", PROGRAM, word], capture_output=True, text=True, check=False)
    assert done.returncode == 1 and not done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_errors_say_what_and_where_and_not_what_people_wrote() -> None:
    lines = printed(CANARY)
    assert [line.get("error.type") for line in lines] == [
        "KeyError", "UnicodeError", "RuntimeError", "FileNotFoundError", None, "KeyError", "AssertionError"
    ]  # fmt: skip
    quiet = [line for line in lines if line.get("error.type") != "FileNotFoundError"]
    assert CANARY not in json.dumps(quiet)
    assert all("in fails" in line["error.stack_trace"] for line in lines[:4])
    assert "ValueError" in lines[2]["error.stack_trace"], "what led to it"
    assert [line["log.level"] for line in lines] == [*["error"] * 4, "warning", *["critical"] * 2]


def test_what_the_system_says_is_kept() -> None:
    [about_a_file] = [line for line in printed("/no/such/file") if line.get("error.type") == "FileNotFoundError"]
    assert about_a_file["error.message"] == "/no/such/file"
    assert about_a_file["service.name"] == "soulfra-test" and about_a_file["ecs.version"]
