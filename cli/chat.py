"""`soulfra analyze` and `soulfra upload`: a chat by hand."""

from __future__ import annotations

import json
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from collections.abc import Iterator

    import httpx

Json = Annotated[bool, typer.Option("--json", help="Print data instead of text.")]
CHUNK = 256 * 1024  # bytes between two movements of the progress bar
PEOPLE = 6  # named in the summary
BARS, EIGHTHS = 48, " ▁▂▃▄▅▆▇█"  # of the chart of activity
WAIT = 600.0  # seconds that `upload` follows a chat


def register(app: typer.Typer) -> None:
    app.command()(analyze)
    app.command()(upload)
    chats = typer.Typer(help="Chats that were uploaded.", no_args_is_help=True)
    chats.command()(retry)
    app.add_typer(chats, name="chats")


def analyze(
    file: Annotated[Path, typer.Argument(help="The export: JSON, text or zip.")],
    as_json: Json = False,
    format: Annotated[str | None, typer.Option(help="The format, if it should not be recognised.")] = None,
) -> None:
    """Analyse a chat here, without a broker; nothing leaves this machine."""
    import tempfile
    import time

    import msgspec

    from cli.errors import Failed
    from cli.halves import side_by_side
    from soulfra.analysis import analyse
    from soulfra.chat import Unreadable

    started = time.perf_counter()
    try:
        with tempfile.TemporaryDirectory(prefix="soulfra-") as workspace:
            found = analyse(_there(file), file.name, workspace=Path(workspace), format=format, halves=side_by_side)
    except Unreadable as unreadable:
        raise Failed(f"{file.name}: {unreadable}") from None
    measured = {"seconds": round(time.perf_counter() - started, 3), "peak_rss_mb": _peak()}
    told: dict[str, Any] = msgspec.to_builtins(found) | measured
    typer.echo(json.dumps(told, ensure_ascii=False, indent=2)) if as_json else _tell(told)


def upload(
    file: Annotated[Path | None, typer.Argument(help="The export: JSON, text or zip.")] = None,
    sample: Annotated[bool, typer.Option("--sample", help="Upload the sample export that comes with Soulfra.")] = False,
    as_json: Json = False,
) -> None:
    """Upload a chat to a running Soulfra, wait, and print what was found and how trust moved."""
    from cli.errors import Failed

    if sample:
        import soulfra

        file = Path(soulfra.__file__).parent / "samples" / "sample-chatgpt.json"
    if file is None:
        raise Failed("name a file, or take --sample")
    with _answering() as client:
        row = _followed(client, _sent(client, _there(file)))
    _print(row, file.name, as_json)


def retry(
    chat_id: Annotated[str, typer.Argument(help="The chat's id, as `soulfra upload --json` printed it.")],
    as_json: Json = False,
) -> None:
    """Analyse an uploaded chat once more, wait, and print what was found; a failed one is not uploaded again."""
    with _answering() as client:
        position = _checked(client.post(f"/v1/chats/{chat_id}/analyse"))["position"]
        row = _followed(client, chat_id, position)
    _print(row, chat_id, as_json)


def _print(row: dict[str, Any], name: str, as_json: bool) -> None:
    from cli.errors import Failed

    if as_json:
        typer.echo(json.dumps(row, ensure_ascii=False, indent=2))
    elif row["status"] == "failed":
        raise Failed(f"{name}: {row['failure'].get('sentence', row['failure'])}")
    else:
        _tell(row)


@contextmanager
def _answering() -> Iterator[httpx.Client]:
    """A client of a Soulfra that runs. Raises Failed when it does not answer."""
    import httpx

    from cli.errors import Failed

    with _client() as client:
        try:
            yield client
        except httpx.HTTPError as away:
            raise Failed(
                f"no Soulfra answers at {client.base_url} ({type(away).__name__}); start it with `make run`"
            ) from None


def _there(file: Path) -> Path:
    from cli.errors import Failed

    if not file.is_file():
        raise Failed(f"{file} is no file; name the export, for example conversations.json")
    return file


def _client() -> httpx.Client:
    import os

    import httpx

    from cli.errors import Failed
    from config import settings

    token = settings().local.data / "dev-token"
    given = os.environ.get("TOKEN", "") or (token.read_text().strip() if token.exists() else "")
    if not given:
        raise Failed(f"there is no token: start Soulfra with `make run` (it writes {token}), or set TOKEN")
    return httpx.Client(base_url=settings().edge.address, headers={"Authorization": f"Bearer {given}"}, timeout=60)


def _sent(client: httpx.Client, file: Path) -> str:
    """Uploads with a progress bar; the id of the chat."""
    from urllib.parse import quote

    headers = {"Content-Disposition": f"attachment; filename*=UTF-8''{quote(file.name)}"}
    answer = client.post("/v1/chats", content=_chunks(file), headers=headers)
    return str(_checked(answer)["chat_id"])


def _chunks(file: Path) -> Iterator[bytes]:
    import sys

    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(file=sys.stderr), transient=True) as bar, file.open("rb") as opened:
        task = bar.add_task(f"uploading {file.name}", total=file.stat().st_size)
        while chunk := opened.read(CHUNK):
            yield chunk
            bar.advance(task, len(chunk))


def _followed(client: httpx.Client, chat_id: str, after: str = "") -> dict[str, Any]:
    """The chat when its chain has ended behind a position; what it waits for is said meanwhile."""
    import time

    deadline, query = time.monotonic() + WAIT, {"until": "agent", "wait": "20s"} | ({"after": after} if after else {})
    while True:
        row = _checked(client.get(f"/v1/chats/{chat_id}", params=query))
        if row.get("reached") or time.monotonic() > deadline:
            return row
        waiting = f": {row['waiting']['reason']}" if "waiting" in row else ""
        typer.echo(f"still {row['status']}{waiting} …", err=True)


def _checked(answer: httpx.Response) -> dict[str, Any]:
    from cli.errors import Failed

    body: dict[str, Any] = answer.json()
    if answer.is_error:
        raise Failed(f"{answer.status_code}: {body.get('detail', body)}")
    return body


def _tell(told: dict[str, Any]) -> None:
    """A result as a person would want to read it."""
    from rich.console import Console
    from rich.markup import escape

    console = Console()
    first, last = (str(told.get(name) or "")[:10] for name in ("first", "last"))
    when = f", {first} to {last}" if first else ", without times" if "first" in told else ""
    console.print(
        f"[bold]{told['format']}[/]: {told['visible']} visible of {told['messages']} messages in {told['conversations']} conversations{when}"
    )
    _tell_people(console, told)
    for line in _chart(told.get("activity") or {}):
        console.print(f"[dim]{line}[/]", no_wrap=True)
    for insight in told.get("insights", []):
        console.print(
            f"\n[bold]{insight['title']}[/]  [dim](confidence {insight['confidence']:.0%}, n = {insight['n']})[/]"
        )
        console.print(escape(insight["statement"]))
        for piece in insight["evidence"][:3]:
            at = f" {piece['at'][:10]}" if piece["at"] else ""
            console.print(f"  [dim]{escape(piece['speaker'])}{at}:[/] {escape(' '.join(piece['quote'].split()))}")
        console.print(f"  → {escape(insight['action'])}")
    if not told.get("insights"):
        console.print("No insight: too little to count, or a language that is not read yet.")
    if personas := told.get("personas"):
        nearest = personas[0]
        because = ", ".join(name for name, *_ in nearest["because"])
        console.print(f"\n[bold]Style[/] nearest to {nearest['name']} ({nearest['closeness']:.0%} close) by {because}")
    if trust := told.get("trust"):
        reasons = ", ".join(f"{reason['code']} {reason['points'] / 1000:+.1f}" for reason in trust["reasons"])
        console.print(
            f"\n[bold]Trust[/] {trust['old'] / 1000:.1f} → {trust['new'] / 1000:.1f}, {trust['tier'].lower()}: {reasons}"
        )
    for agent in told.get("agents", []):
        console.print(f"[bold]Agent[/] {agent['persona']} ({agent['closeness']:.0%} close)")
    for passed in told.get("skipped", []):
        console.print(f"[dim]skipped {passed['count']} × {passed['reason']} (first at {passed['example']})[/]")


def _tell_people(console: Any, told: dict[str, Any]) -> None:
    from rich.markup import escape

    people = told.get("participants") or {}
    shown = ", ".join(f"{escape(name)} {n}" for name, n in list(people.items())[:PEOPLE])
    more = f" and {len(people) - PEOPLE} more" if len(people) > PEOPLE else ""
    if shown:
        console.print(f"{shown}{more}")


def _chart(activity: dict[str, int]) -> list[str]:
    """One row of bars, at most as many as fit: neighbouring days or months share one where there are more."""
    if len(activity) < 2:
        return []
    names, counts = list(activity), list(activity.values())
    together = -(-len(counts) // BARS)
    sums = [sum(counts[at : at + together]) for at in range(0, len(counts), together)]
    most = max(sums)
    bars = "".join(EIGHTHS[max(1, -(-n * 8 // most)) if n else 0] for n in sums)
    return [f"{names[0]} {bars} {names[-1]}  (at most {most})"]


def _peak() -> float:
    """Highest resident memory of this process and of the one beside it, together, MiB; the file's own pages count."""
    import resource

    both = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    return round(sum(resource.getrusage(one).ru_maxrss for one in both) / 1024, 1)
