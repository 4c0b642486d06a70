"""`soulfra dlq`: dead letters, and sending them back."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli.errors import Failed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import datetime

    from topics import Topic
    from topics.letters import DeadLetter, Letters, Span

Json = Annotated[bool, typer.Option("--json", help="Print data instead of text.")]
OfTopic = Annotated[str, typer.Option("--topic", help="Only letters of this topic, for example usage.recorded.")]
OfReason = Annotated[str, typer.Option("--reason", help="Only these: malformed, refused or failed.")]
SHOWN = 50  # letters listed
MOST = 10_000  # letters sent back by one command
FASTEST = 10_000.0  # letters a second
HEAD = 64  # bytes shown of a value that cannot be read
LONG = 2_000  # characters shown of a header


def register(app: typer.Typer) -> None:
    dlq = typer.Typer(help="Dead letters: what could not be taken, why, and sending it back.", no_args_is_help=True)
    dlq.command("list")(list_)
    dlq.command()(show)
    dlq.command()(redrive)
    app.add_typer(dlq, name="dlq")


def list_(
    topic: OfTopic = "",
    reason: OfReason = "",
    limit: Annotated[int, typer.Option(min=0, max=MOST, help="Letters shown, the newest first.")] = SHOWN,
    as_json: Json = False,
) -> None:
    """How many dead letters each topic has, and why; then the newest."""
    from cli.letterbox import Summary
    from topics.letters import Selection

    letters = _letters()
    spans = _answered(lambda: letters.spans(_topics(topic)))
    summary = Summary(limit)
    chosen = Selection(_reason(reason))
    for letter in _reading(letters, spans):
        if letter in chosen:
            summary.add(letter)
    before = _answered(lambda: letters.redriven(spans))
    typer.echo(json.dumps(summary.fields(before), indent=2) if as_json else summary.text(before))


def show(
    position: Annotated[str, typer.Argument(help="Of the letter, as listed: usage.recorded.dlq/3@17.")],
    as_json: Json = False,
) -> None:
    """One dead letter: its headers, key and size, and what it says where that can be read."""
    letter = _letter_at(_letters(), position)
    fields = _described(letter)
    if as_json:
        typer.echo(json.dumps(fields, indent=2, default=str))
        return
    for name, value in fields.items():
        lines = [f"  {inner} = {text}" for inner, text in value.items()] if isinstance(value, dict) else []
        typer.echo("\n".join([f"{name}:", *lines]) if lines else f"{name}: {value}")


def redrive(
    positions: Annotated[list[str] | None, typer.Argument(help="Letters to send back, as listed.")] = None,
    topic: Annotated[str, typer.Option("--topic", help="All letters of this topic.")] = "",
    reason: OfReason = "",
    since: Annotated[str, typer.Option(help="Letters written at this time or later (ISO 8601, UTC).")] = "",
    until: Annotated[str, typer.Option(help="Letters written before this time (ISO 8601, UTC).")] = "",
    rate: Annotated[str, typer.Option(help="At most so many a second.")] = "100/s",
    limit: Annotated[int, typer.Option(min=1, max=1_000_000, help="At most so many.")] = MOST,
    again: Annotated[bool, typer.Option("--again", help="Also those that were sent back before.")] = False,
    by: Annotated[
        str, typer.Option("--by", help="Who does it; your user name if left out. A keyed hash is kept.")
    ] = "",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be sent, and send nothing.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    as_json: Json = False,
) -> None:
    """Send dead letters back: the original bytes, key and partition, to the topic they came from."""
    from getpass import getuser

    from cli.letterbox import Choice, Progress
    from config import settings
    from topics.letters import Selection
    from topics.redrive import NotStored, Redrive

    if bool(positions) == bool(topic):
        raise Failed("name the letters to send back, as `soulfra dlq list` shows them, or a topic with --topic")
    speed, letters = _rate(rate), _letters()
    selection = Selection(_reason(reason), _time(since), _time(until))
    spans, read = _source(letters, positions or [], topic)
    choice = Choice(selection, None if again else _answered(lambda: letters.redriven(spans)), limit)
    planned = choice.counted(read())
    if dry_run or not planned.chosen:
        typer.echo(json.dumps(planned.fields(), indent=2) if as_json else planned.text("would be sent back"))
        return
    if not yes:
        typer.confirm(f"{planned.text('are to be sent back')}. Send them, at {speed:g} a second?", abort=True)
    with Progress(planned.chosen) as progress:
        try:
            done = Redrive(settings(), by or getuser(), speed, progress.tell).run(choice.chosen(read()))
        except NotStored as failed:
            raise Failed(str(failed)) from None
    typer.echo(
        json.dumps(planned.fields() | {"redriven": done}, indent=2) if as_json else f"{done} letters were sent back"
    )


def _source(
    letters: Letters, positions: list[str], topic: str
) -> tuple[list[Span], Callable[[], Iterator[DeadLetter]]]:
    """Where the letters are, and how to read them: twice, as they are counted before they are sent."""
    from topics.letters import Span, topic_of_letter

    if topic:
        spans = _answered(lambda: letters.spans(_topics(topic)))
        return spans, lambda: _reading(letters, spans)
    named = [_letter_at(letters, position) for position in dict.fromkeys(positions)]
    exact = [Span(topic_of_letter(p), p.partition, p.offset, p.offset + 1) for p in (one.position for one in named)]
    return _joined(exact), lambda: iter(named)


def _joined(exact: list[Span]) -> list[Span]:
    """One span for each partition."""
    spans: dict[tuple[str, int], Span] = {}
    for span in exact:
        known = spans.setdefault((span.topic.name, span.partition), span)
        widened = known._replace(start=min(known.start, span.start), end=max(known.end, span.end))
        spans[span.topic.name, span.partition] = widened
    return list(spans.values())


def _letters() -> Letters:
    from config import settings
    from topics.letters import Letters

    return Letters(settings().kafka)


def _answered(ask: Callable[[], Any]) -> Any:
    from topics.letters import NoAnswer

    try:
        return ask()
    except NoAnswer as wrong:
        raise Failed(str(wrong)) from None


def _reading(letters: Letters, spans: list[Span]) -> Iterator[DeadLetter]:
    from topics.letters import NoAnswer

    try:
        yield from letters.read(spans)
    except NoAnswer as wrong:
        raise Failed(str(wrong)) from None


def _letter_at(letters: Letters, text: str) -> DeadLetter:
    from topics.place import Position

    try:
        letter: DeadLetter | None = _answered(lambda: letters.at(Position.parse(text)))
    except ValueError as wrong:
        raise Failed(str(wrong)) from None
    if letter is None:
        raise Failed(f"there is no letter at {text}; letters are kept 90 days, and `soulfra dlq list` shows them")
    return letter


def _topics(name: str) -> list[Topic]:
    from topics import TOPICS

    chosen = [topic for topic in TOPICS if name in ("", topic.name, topic.dead)]
    if not chosen:
        raise Failed(f"{name} is no topic; there are {', '.join(topic.name for topic in TOPICS)}")
    return chosen


def _reason(reason: str) -> str:
    from topics.letters import REASONS, UNKNOWN

    if reason and reason not in (*REASONS, UNKNOWN):
        raise Failed(f"{reason} is no reason; there are {', '.join(REASONS)}")
    return reason


def _rate(text: str) -> float:
    try:
        rate = float(text.removesuffix("/s"))
    except ValueError:
        rate = 0.0
    if not 0 < rate <= FASTEST:
        raise Failed(f"--rate {text} is not between 0 and {FASTEST:,.0f} a second; write for example 100/s")
    return rate


def _time(text: str) -> datetime | None:
    from datetime import UTC, datetime

    if not text:
        return None
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        raise Failed(f"{text} is no time; write for example 2026-11-30T12:00:00Z") from None
    return time if time.tzinfo else time.replace(tzinfo=UTC)


def _described(letter: DeadLetter) -> dict[str, Any]:
    from topics.letters import body_of

    value, body = letter.value or b"", body_of(letter.value)
    return {
        "position": str(letter.position),
        "original": str(letter.original) if letter.original else None,
        "reason": letter.reason,
        "message": letter.message,
        "at": letter.at.isoformat(),
        "times": letter.times,
        "key": None if letter.key is None else letter.key.decode(errors="replace")[:LONG],
        "size": len(value),
        "headers": {name: (text or b"").decode(errors="replace")[:LONG] for name, text in letter.headers},
        **({"body": dict(body)} if body is not None else {"head": value[:HEAD].hex(" ")}),
    }
