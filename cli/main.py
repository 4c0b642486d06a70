"""The `soulfra` command: its sub-commands, and how a failure is told."""

from __future__ import annotations

import sys
from importlib import import_module
from importlib.metadata import version as installed
from typing import Annotated

import typer

# Each module has `register(app)`; it imports what is heavy only inside its commands.
COMMANDS = [
    "cli.operate",
    "cli.worker",
    "cli.edge",
    "cli.topics",
    "cli.letters",
    "cli.chat",
    "cli.configure",
    "cli.bench",
]

app = typer.Typer(
    name="soulfra",
    help="Turns chat exports into insight, trust and agents, on Apache Kafka.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


def run() -> None:
    """Does what the command line asks; a failure is one clear message on stderr and exit code 1."""
    for module in COMMANDS:
        import_module(module).register(app)
    try:
        app()
    except Exception as error:
        if not isinstance(error, _told_as_a_message()):
            raise
        print(f"soulfra: {error}", file=sys.stderr)
        sys.exit(getattr(error, "exit_code", 1))


def _told_as_a_message() -> tuple[type[Exception], ...]:
    from cli.errors import Failed
    from config import WrongSettings
    from config.explain import Unknown

    return Failed, WrongSettings, Unknown


def _version(asked: bool) -> None:
    if asked:
        print(f"soulfra {installed('soulfra')}")
        raise typer.Exit


@app.callback()
def soulfra(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Turns chat exports into insight, trust and agents, on Apache Kafka."""
