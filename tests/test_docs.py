"""The pages say what the code says: every file, name, version, setting, command and port in them is there."""

from __future__ import annotations

import re
from collections.abc import Iterator
from importlib import import_module
from importlib.metadata import version
from pathlib import Path

import pytest
import typer

from cli.local.java import kafka_version
from cli.main import COMMANDS
from config import FAILPOINT, Settings, every_key, name_of
from schemas import EVENTS
from soulfra.analysis import VERSION
from topics import TABLES, TOPICS

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
TODAY = [
    page for page in PAGES if page.parent.name != "decisions"
]  # a decision tells what was measured when it was made
FOLDERS = "api|cli|config|docs|helm|locks|schemas|soulfra|streams|tests|topics"
CODE = re.compile(r"`([^`\n]+)`")
FENCED = re.compile(r"```.*?```", re.S)


def spans(page: Path) -> Iterator[str]:
    """What stands between backticks."""
    yield from CODE.findall(FENCED.sub("", page.read_text()))


def of_pages(pages: list[Path]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("page", pages, ids=[str(page.relative_to(ROOT)) for page in pages])


@of_pages(PAGES)
def test_every_file_and_function_that_a_page_names_is_there(page: Path) -> None:
    wrong = [text for text in spans(page) for path in [PATH.match(text)] if path and not there(path[1], path[2] or "")]
    assert not wrong


PATH = re.compile(rf"^((?:{FOLDERS})/[\w./-]*)(?::([A-Za-z_][\w.]*))?$")


def there(path: str, symbol: str) -> bool:
    file = ROOT / path
    if not file.exists() or not symbol:
        return file.exists()
    text = file.read_text()
    return all(re.search(rf"^\s*(?:(?:async )?def|class) {name}\b|^{name}\b", text, re.M) for name in symbol.split("."))


@of_pages(PAGES)
def test_every_link_to_another_page_leads_somewhere(page: Path) -> None:
    links = re.findall(r"\]\(([^)#:\s]+)(?:#[^)]*)?\)", page.read_text())
    assert not [link for link in links if not (page.parent / link).exists()]


@of_pages(TODAY)
def test_results_and_tables_are_named_with_the_versions_they_have(page: Path) -> None:
    text = page.read_text()
    assert {int(n) for n in re.findall(r"(?:result|failure)-v(\d+)", text)} <= {VERSION}
    domains = "|".join(table.domain for table in TABLES)
    assert set(re.findall(rf"\b(?:{domains})\.v\d+", text)) <= {table.name for table in TABLES}
    assert not re.findall(r">\.v\d+-changelog", text), "tables have versions of their own"


@of_pages(PAGES)
def test_every_topic_that_a_page_names_is_in_the_catalogue(page: Path) -> None:
    names = {topic.name for topic in TOPICS} | {topic.dead for topic in TOPICS} | {event.ce_type() for event in EVENTS}
    names |= {table.name for table in TABLES} | set(every_key())
    subjects = {topic.name.partition(".")[0] for topic in TOPICS}
    shaped = [text for text in spans(page) if re.fullmatch(r"[a-z]+\.[a-z]*(?:ed|en|done)(?:\.dlq)?", text)]
    assert not [text for text in shaped if text.partition(".")[0] in subjects and text not in names | METERS]


METERS = {"agents.suggested", "analyses.done", "bytes.ingested"}


@of_pages(PAGES)
def test_every_setting_that_a_page_names_exists(page: Path) -> None:
    known = {name_of(key) for key in every_key()} | {"SOULFRA_ENVIRONMENT", "SOULFRA_SECRETS_DIR", FAILPOINT}
    assert set(re.findall(r"SOULFRA_[A-Z][A-Z_]*[A-Z]", page.read_text())) <= known


@of_pages(PAGES)
def test_every_command_that_a_page_names_exists(page: Path) -> None:
    text = page.read_text()
    commands = re.findall(r"(?:`|bin/|^ *)soulfra ([a-z]+)(?: ([a-z]+(?:\|[a-z]+)*))?", text, re.M)
    tree = command_tree()
    for command, words in commands:
        assert command in tree, command
        for word in words.split("|") if words and tree[command] else []:
            assert word in tree[command], f"{command} {word}"


def command_tree() -> dict[str, set[str]]:
    """Of each command the words that may follow: its sub-commands, or the kinds of worker."""
    app = typer.Typer()
    for module in COMMANDS:
        import_module(module).register(app)
    known = typer.main.get_command(app).commands  # type: ignore[attr-defined]
    tree = {name: set(getattr(command, "commands", {})) for name, command in known.items()}
    return tree | {"worker": {"tables", "analysis", "projector"}}


def test_the_page_about_one_machine_names_the_ports_that_its_settings_have() -> None:
    page = (ROOT / "docs" / "run.md").read_text()
    rows = [line for line in page.splitlines() if line.startswith("|") and "_PORT`" in line]
    assert len(rows) >= 6
    for row in rows:
        _, _, ports, names, *_ = row.split("|")
        assert [int(n) for n in re.findall(r"\d{4}", ports)] == [
            default(name) for name in re.findall(r"SOULFRA_\w+", names)
        ]


def default(name: str) -> object:
    section, _, key = name.removeprefix("SOULFRA_").lower().partition("__")
    return Settings.model_fields[section].default.model_dump()[key]


def locked(package: str) -> str:
    """What we run with comes before what peers of a bench run with."""
    lines = "\n".join((ROOT / "locks" / f"{name}.txt").read_text() for name in ("run", "dev", "bench"))
    return re.search(rf"^{package}==(\S+)", lines, re.M)[1]  # type: ignore[index]


@of_pages(TODAY)
def test_packages_are_named_with_the_versions_that_are_locked(page: Path) -> None:
    text = page.read_text()
    here = {
        r"[Ff]aust(?:-streaming)?": locked("faust-streaming"),
        r"librdkafka": locked("confluent-kafka"),
        r"Kafka(?: Streams)?": kafka_version(),
        r"whatstk": locked("whatstk"),
        r"chat-miner": locked("chat-miner"),
        r"soulfra:": version("soulfra"),
    }
    for package, wanted in here.items():
        named = set(re.findall(rf"\b{package} ?v?(\d+\.\d+(?:\.\d+)?)(?! or newer)", text))
        assert not {n for n in named if n != "4.0" and not f"{wanted}.".startswith(f"{n}.")}, f"{package} is {wanted}"


def test_the_core_is_what_the_pages_say_it_is() -> None:
    """Pure functions: nothing in it starts a process or a thread, or waits for anything outside."""
    forbidden = re.compile(
        r"^\s*(?:import|from) (?:multiprocessing|concurrent|threading|subprocess|socket|asyncio)\b", re.M
    )
    assert not [path for path in (ROOT / "soulfra").rglob("*.py") if forbidden.search(path.read_text())]
