"""How an assistant is used: what has to be asked twice costs time and money."""

from __future__ import annotations

from collections.abc import Mapping

from soulfra.chat.message import Message
from soulfra.insights.insight import Best, Insight, Portion, Reader, percent, share_confidence

MIN_PROMPTS = 30
ALONE = 1_000  # messages of a conversation, after which no assistant will come any more


class AssistantUse:
    """Regenerated answers, prompts that correct, conversations of one prompt, and code."""

    def __init__(self) -> None:
        self.prompts = self.regenerated = self.rework = self.code = self.conversations = self.single = 0
        self.again, self.corrections, self.coded, self.lone = Best(), Best(), Best(), Best()
        self._talk: list[tuple[Message, Mapping[str, float]]] = []
        self._conversation, self._assisted = "", False

    def update(self, portion: Portion) -> None:
        for message, said, _, _ in portion.all:
            if message.conversation != self._conversation:
                self._close()
                self._conversation, self._assisted = message.conversation, False
            self._assisted = self._assisted or message.role == "assistant"
            if self._assisted or len(self._talk) < ALONE:
                self._talk.append((message, said))

    def _close(self) -> None:
        """Counts a whole conversation: what was regenerated shows only in the tree."""
        heard, self._talk = self._talk, []
        if not self._assisted:
            return
        talk = [message for message, _ in heard]
        told = [one for one in heard if one[0].role == "person" and one[0].visible]
        prompts = [message for message, _ in told]
        self.conversations += bool(prompts)
        self.prompts += len(prompts)
        if len(prompts) == 1:
            self.single += 1
            self.lone.add(-prompts[0].offset, prompts[0])
        for prompt, said in told[1:]:
            if "rework" in said:
                self.rework += 1
                self.corrections.add(said["rework"], prompt)
        self._count_answers(talk, {prompt.id: prompt for prompt in prompts})

    def _count_answers(self, talk: list[Message], prompts: dict[str, Message]) -> None:
        answers, coded = dict[str, int](), set[str]()
        for message in talk:
            if message.role == "assistant" and message.kind == "text":
                answers[message.reply_to] = answers.get(message.reply_to, 0) + 1
                if message.visible and "```" in message.text:
                    coded.add(message.reply_to)
                    self.coded.add(message.text.count("\n"), message)
        self.code += len(coded & prompts.keys())
        for parent, n in answers.items():
            if n > 1 and parent in prompts:
                self.regenerated += 1
                self.again.add(n, prompts[parent])

    def merge(self, other: AssistantUse) -> None:
        self._close()
        for name in ("prompts", "regenerated", "rework", "code", "conversations", "single"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        for name in ("again", "corrections", "coded", "lone"):
            getattr(self, name).merge(getattr(other, name))
        self._talk, self._conversation, self._assisted = other._talk, other._conversation, other._assisted

    def result(self, reader: Reader) -> list[Insight]:
        self._close()
        if self.prompts < MIN_PROMPTS:
            return []
        told: list[tuple[str, str, int, int, Best, float, str, str, str, tuple[str, ...]]] = [
            ("regenerated", "Answers asked for again", self.regenerated, self.prompts, self.again, 0.7,
             "prompts got more than one answer", "two answers to one prompt in the tree of the export",
             "Say in the first prompt what was missing: the form, the length, an example.", ()),
            ("single", "Conversations of one prompt", self.single, self.conversations, self.lone, 0.3,
             "conversations ended after one prompt", "conversations with exactly one visible prompt",
             "Turn the repeated ones into a template or a small tool.", ()),
            ("code", "Code in the answers", self.code, self.prompts, self.coded, 0.3,
             "prompts were answered with code", "visible answers with a fenced block",
             "Keep what works in a repository; chats are hard to search.", ()),
        ]  # fmt: skip
        if reader.understood:
            told.append(
                ("rework", "Prompts that only correct", self.rework, self.prompts, self.corrections, 0.8,
                 "prompts correct the answer before", "a follow-up that says that the answer before was wrong or not what was asked",
                 "Look at the corrections below: what they repeat belongs into the first prompt.", (reader.caveat("rework"),))
            )  # fmt: skip
        return [_share(*one, reader.precision("rework") if one[-1] else 1.0) for one in told if one[2]]


def _share(
    kind: str, title: str, hits: int, n: int, best: Best, impact: float, says: str, method: str, action: str,
    caveats: tuple[str, ...], precision: float,
) -> Insight:  # fmt: skip
    sure = share_confidence(hits, n) * precision
    return Insight(
        f"assistant-{kind}", f"assistant_{kind}", title, f"{hits} of {n} {says} ({percent(hits / n)}).",
        round(hits / n, 4), "share", None, n, round(sure, 4), impact, best.evidence(), method, action, caveats,
    )  # fmt: skip
