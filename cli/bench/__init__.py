"""`soulfra bench`: measured claims. Each bench prints a row per workload and system, with every round and the median."""

from __future__ import annotations

import json
from typing import Annotated, Literal

import typer

Json = Annotated[bool, typer.Option("--json", help="Print data instead of a table.")]
Store = Literal["memory", "rocksdb"]


def register(app: typer.Typer) -> None:
    bench = typer.Typer(help="Measure it here.", no_args_is_help=True)
    bench.command("journey")(measure_journey)
    bench.command("faults")(measure_faults)
    bench.command("rolling")(measure_rolling)
    bench.command("anchor")(measure_anchor)
    bench.command("stream")(measure_stream)
    bench.command("chat")(measure_chat)
    app.add_typer(bench, name="bench")


def measure_journey(as_json: Json = False, rounds: Annotated[int, typer.Option(min=1, max=100)] = 5) -> None:
    """Upload to readable report, memory of the edge under a 100 MB upload, idle memory; against the running Soulfra."""
    from cli.bench.journey import measure
    from cli.bench.table import report

    told = report("journey", measure(rounds))
    if as_json:
        typer.echo(json.dumps(told, indent=2))
        return
    typer.echo(f"on {told['machine']}")
    for row in told["rows"]:
        typer.echo(f"{row['workload']:<48} {row['median']:>10} {row['unit']:<5} of {row['values']}")


def measure_faults(
    as_json: Json = False,
    events: Annotated[int, typer.Option(min=1_000)] = 1_000_000,
    workers: Annotated[int, typer.Option(min=1, max=8)] = 3,
    kills: Annotated[int, typer.Option(min=0, help="Of workers.")] = 100,
    broker_kills: Annotated[int, typer.Option(min=0, help="0: one for each fifty kills of workers.")] = 0,
    seed: int = 1,
    rate: Annotated[int, typer.Option(min=100, help="Events a second.")] = 4_000,
    store: Annotated[Store, typer.Option(help="Where the workers keep their rows.")] = "memory",
    paced: Annotated[bool, typer.Option(help="Or with Kafka's own session times of 9 and 45 s.")] = True,
) -> None:
    """Kill workers and broker while events pour in, then compare tables and outputs with the source, key by key."""
    from cli.bench.faults import Plan, measure
    from cli.bench.table import report
    from cli.errors import Failed

    plan = Plan(events, workers, kills, seed, rate, store, broker_kills, paced)
    told, rows = measure(plan, lambda text: typer.echo(text, err=True))
    if as_json:
        typer.echo(json.dumps(report("faults", rows), indent=2))
    else:
        for name, value in told._asdict().items():
            typer.echo(f"{name:<10} {value}")
    if told.lost or told.doubled or told.wrong:
        raise Failed("the tables or the outputs differ from the truth")


def measure_rolling(
    as_json: Json = False,
    rate: Annotated[int, typer.Option(min=20, help="Events a second.")] = 400,
    uploads: Annotated[int, typer.Option(min=0, max=4, help="Of 100 MB, at a time.")] = 2,
    kafka: Annotated[float, typer.Option(min=0, help="Seconds without Kafka; 0: leave it out.")] = 600,
    redis: Annotated[float, typer.Option(min=0, help="Seconds without Redis.")] = 600,
    hanging: Annotated[float, typer.Option(min=0, help="Seconds with a Redis that hangs.")] = 600,
    transaction: Annotated[float, typer.Option(min=0, max=840, help="Seconds of somebody's open transaction.")] = 300,
    kills: Annotated[int, typer.Option(min=0, max=100, help="Of a projector, by kill -9.")] = 10,
) -> None:
    """Restart every process in turn, take Kafka and Redis away, under load; then compare each person's total. Takes 40 minutes."""
    from cli.bench.rolling import Plan, measure, wrong
    from cli.bench.table import report
    from cli.errors import Failed

    plan = Plan(rate, kafka, redis, hanging, transaction, uploads, kills)
    outcome, rows = measure(plan, lambda text: typer.echo(text, err=True))
    summary = report("rolling", rows)
    if as_json:
        typer.echo(json.dumps(summary, indent=2))
    else:
        typer.echo(f"on {summary['machine']}: {outcome.events} events, {outcome.uploads} uploads of 100 MB, "
                   f"{outcome.passed_on} requests passed on to another edge, {outcome.refused} answered 503 by all")  # fmt: skip
        for row in summary["rows"]:
            typer.echo(f"{row['workload']:<50} {row['median']:>10} {row['unit']:<3} of {row['values']}")
    if why := wrong(outcome):
        raise Failed(why)


def measure_anchor(
    as_json: Json = False,
    events: Annotated[int, typer.Option(min=1_000)] = 300_000,
    kills: Annotated[int, typer.Option(min=0)] = 1,
) -> None:
    """Count events in a table and kill the worker in the middle (robinhood/faust#340): stock Faust, then the engine."""
    from cli.bench.anchor import measure
    from cli.bench.table import report

    _peers_are_there()
    told = report("anchor", measure(events, kills, lambda text: typer.echo(text, err=True)))
    if as_json:
        typer.echo(json.dumps(told, indent=2))
        return
    for row in told["rows"]:
        typer.echo(f"{row['workload']:<40} {row['system']:<12} {row['median']:>10} {row['unit']}")


def _peers_are_there() -> None:
    from cli.bench.stream import PEERS_VENV
    from cli.errors import Failed

    if not PEERS_VENV.exists():
        raise Failed("the peers have an environment of their own; make it with `python3 cli/setup.py bench`")


def measure_stream(
    as_json: Json = False,
    events: Annotated[int, typer.Option(min=10_000)] = 1_000_000,
    rounds: Annotated[int, typer.Option(min=1, max=20)] = 5,
    peers: Annotated[bool, typer.Option(help="Also Kafka Streams, Quix Streams, stock Faust, a raw loop.")] = True,
    only: Annotated[str, typer.Option(help="Part of the name of a workload, recovery or latency.")] = "",
) -> None:
    """The engine beside its peers: rates, recovery, latency; on a broker of its own. Takes an hour with all rounds."""
    from cli.bench.stream import measure
    from cli.bench.table import ratios, report

    if peers:
        _peers_are_there()
    rows = measure(events, rounds, peers, only, lambda text: typer.echo(text, err=True))
    told = report("stream", rows)
    if as_json:
        typer.echo(json.dumps(told | {"ratios": ratios(rows)}, indent=2))
        return
    typer.echo(f"on {told['machine']}, broker with Java's own flags (latency: with ZGC)")
    for row in told["rows"]:
        typer.echo(
            f"{row['workload']:<66} {row['system']:<15} {row['median']:>10} {row['unit']:<12} of {row['values']}"
        )
    for ratio in ratios(rows):
        typer.echo(ratio)


def measure_chat(
    as_json: Json = False,
    size: Annotated[int, typer.Option(min=1, max=100, help="Of each export, MB.")] = 100,
    rounds: Annotated[int, typer.Option(min=1, max=20)] = 3,
    peers: Annotated[bool, typer.Option(help="Also whatstk, chat-miner and VADER.")] = True,
    quality: Annotated[bool, typer.Option("--quality", help="How good the words are, instead of how fast.")] = False,
    learn: Annotated[bool, typer.Option("--learn", help="Learn the words anew first; takes some minutes.")] = False,
) -> None:
    """Seconds and memory of an analysis and of the wait beside a large one, or precision and recall of its words."""
    from cli.bench.chat import queue, speed, words, write
    from cli.bench.table import ratios, report
    from soulfra.words import LANGUAGES

    if peers:
        _peers_are_there()
    if learn:
        for language in LANGUAGES.values():
            typer.echo(f"learning {language.name}", err=True)
            write(language)

    def say(text: str) -> None:
        typer.echo(text, err=True)

    size *= 1_000_000
    rows = list(words(peers)) if quality else [*speed(size, rounds, peers, say), *queue(size, say)]
    told = report("chat", rows)
    if as_json:
        typer.echo(json.dumps(told, indent=2))
        return
    typer.echo(f"on {told['machine']}")
    for row in told["rows"]:
        typer.echo(f"{row['workload']:<52} {row['system']:<10} {row['median']:>10} {row['unit']}")
    for ratio in ratios(rows):
        typer.echo(ratio)
