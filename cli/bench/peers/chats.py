"""What a user would take instead: whatstk or chat-miner to read a WhatsApp export, VADER for its tone.

Prints one line of JSON: seconds and messages, or, of labelled lines on the standard input, what VADER says.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from typing import Any


def main() -> None:
    what, *files = sys.argv[1:]
    began = time.perf_counter()
    readers: dict[str, Callable[..., Any]] = {"whatstk": whatstk, "chatminer": chatminer, "vader": vader}
    told = readers[what](*files)
    print(json.dumps({"seconds": round(time.perf_counter() - began, 3), "told": told}))


def whatstk(file: str) -> int:
    from whatstk import WhatsAppChat  # type: ignore[import-not-found]

    return len(WhatsAppChat.from_source(file).df)


def chatminer(file: str) -> int:
    from chatminer.chatparsers import WhatsAppParser  # type: ignore[import-not-found]

    parser = WhatsAppParser(file)
    parser.parse_file()
    return len(parser.parsed_messages.get_df())


def vader() -> list[float]:
    """The compound score of each line, -1 to 1."""
    from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer  # type: ignore[import-not-found]

    analyser = SentimentIntensityAnalyzer()
    return [analyser.polarity_scores(line)["compound"] for line in json.load(sys.stdin)]


if __name__ == "__main__":
    main()
