"""Running Soulfra on one machine: `run`, `stop`, `reset` and `doctor`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from cli.errors import Failed

if TYPE_CHECKING:
    from cli.local.doctor import Finding
    from cli.local.home import Holder, Home

STOPS_WITHIN = 60.0  # seconds; every part has its own, shorter, limit


def register(app: typer.Typer) -> None:
    for command in (run, stop, reset, doctor, token):
        app.command()(command)


def run() -> None:
    """Start everything on this machine, and stop it on Ctrl-C."""
    from cli.local.run import run as launch

    launch()


def stop() -> None:
    """Stop what `soulfra run` started."""
    home = _home()
    holder = home.running
    if holder is None:
        print(f"nothing runs on {home.folder}")
        return
    _ask_to_stop(home, holder)
    print(f"stopped process {holder.pid}; everything is kept in {home.folder}")


def reset(
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> None:
    """Delete everything kept on this machine: chats, events, accounts, keys."""
    home = _home()
    if home.running is None and home.folder.exists() and not yes:
        typer.confirm(f"Delete {home.folder} and everything in it?", abort=True)
    home.delete()
    print(f"deleted {home.folder}; the next `make run` starts from nothing")


def doctor(
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    mend: Annotated[
        bool, typer.Option("--mend", help="End transactions that Kafka has left hanging, and do nothing else.")
    ] = False,
) -> None:
    """Look at this machine and say what needs doing."""
    import json

    from cli.local.doctor import findings

    found = _mended() if mend else findings()
    if as_json:
        print(json.dumps({"healthy": all(one.ok for one in found), "findings": [one._asdict() for one in found]}))
    else:
        for one in found:
            print(f"{'ok  ' if one.ok else 'DO  '} {one.about:<22} {one.says}")
    if not all(one.ok for one in found):
        raise typer.Exit(1)


def token() -> None:
    """Print the token of the first run, which `soulfra run` keeps and renews."""
    from config import settings

    file = settings().local.data / "dev-token"
    if not file.exists():
        raise Failed(f"there is no token yet: `soulfra run` writes {file}")
    print(file.read_text().strip())


def _mended() -> list[Finding]:
    """What was ended, and whether something is left."""
    from cli.local.doctor import Finding, transactions
    from cli.local.mend import mend
    from config import settings

    ended = [Finding("transactions", True, f"ended: {one}") for one in mend(settings())]
    return [*ended, *transactions(settings())]


def _home() -> Home:
    from cli.local.home import Home
    from config import settings

    return Home(settings().local.data)


def _ask_to_stop(home: Home, holder: Holder) -> None:
    import os
    import signal
    import time

    try:
        os.kill(holder.pid, signal.SIGTERM)
    except PermissionError:
        raise Failed(f"process {holder.pid} belongs to another user; only that user can stop it") from None
    except ProcessLookupError:
        return
    until = time.monotonic() + STOPS_WITHIN
    while home.running is not None:
        if time.monotonic() > until:
            raise Failed(
                f"process {holder.pid} did not stop in {STOPS_WITHIN:.0f} s; end it with `kill -9 {holder.pid}`"
            )
        time.sleep(0.1)
