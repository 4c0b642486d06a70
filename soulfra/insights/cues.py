"""The words that insights look for, English only so far. Each set's precision scales the confidence of what it finds."""

from __future__ import annotations

import re

ASSUMED = 0.7  # precision of a set until it is measured on labelled lines; said in every insight's caveats
ASSUMPTION = "found by English cue words, whose precision is assumed to be 0.7 and not yet measured"

CODE = re.compile(r"```.*?(```|$)|`[^`]*`|https?://\S+", re.S)
QUESTION = re.compile(
    r"\?(\s|$)|^(what|why|how|when|where|who|which|can|could|should|is|are|do|does|did|will|would)\b", re.I
)
PROMISE = re.compile(
    r"\b(i'll|i will|we'll|we will|i'm going to|i am going to|let me get back|i promise|leave it (with|to) me)\b(?!\s+(be|not|never)\b)",
    re.I,
)
DECISION = re.compile(
    r"\b(let's go with|we('ve| have)? (decided|agreed)|i('ve| have)? decided|decision:|we're going with|i'm going with"
    r"|agreed[,:.! ]|final answer|settled on)",
    re.I,
)
DONE = re.compile(r"\b(done|sent|finished|fixed|shipped|completed|sorted|paid|booked|uploaded|merged)\b", re.I)
REWORK = re.compile(
    r"^(no[,. ]|nope|still |that's (wrong|not)|that is (wrong|not)|not what|wrong|actually,? (no|that)|you (forgot|missed|ignored)"
    r"|it (doesn't|does not|still) )|\b(try again|same error|didn't work|doesn't work|not working)\b",
    re.I,
)
WORD = re.compile(r"[a-z][a-z'-]{3,}")
COMMON = frozenset(
    [
        "that",
        "this",
        "with",
        "have",
        "from",
        "they",
        "what",
        "when",
        "will",
        "would",
        "could",
        "should",
        "about",
        "there",
        "their",
        "your",
        "just",
        "been",
        "were",
        "then",
        "than",
        "them",
        "some",
        "into",
        "also",
        "only",
        "like",
        "make",
        "know",
        "need",
        "want",
        "more",
        "very",
        "back",
        "here",
        "over",
        "still",
        "after",
        "before",
        "because",
        "which",
        "please",
        "thanks",
        "today",
        "tomorrow",
        "week",
        "monday",
        "tuesday",
        "wednesday",
        "thursday",
        "friday",
        "going",
        "gonna",
        "let's",
        "i'll",
        "we'll",
    ]
)
STOP = frozenset(
    [
        "the",
        "and",
        "to",
        "of",
        "a",
        "in",
        "is",
        "it",
        "you",
        "that",
        "for",
        "on",
        "with",
        "i",
        "my",
        "be",
        "this",
        "have",
        "are",
        "not",
        "we",
        "but",
        "can",
        "do",
        "as",
        "at",
    ]
)
ENGLISH = 0.12  # share of stop words above which a text counts as English (its usual share is 0.25 to 0.4)


def plain(text: str) -> str:
    """The text without code and addresses."""
    return CODE.sub(" ", text)


def rare(text: str) -> frozenset[str]:
    """The words that tell what a line is about."""
    return frozenset(WORD.findall(text.lower())) - COMMON
