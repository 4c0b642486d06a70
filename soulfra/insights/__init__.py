"""What a reader would act on: each insight with its number, its evidence and what to do next.

A reducer reads batches once, halves of a file merge, and the result is the same for the same file. One file per group;
a new insight is a reducer in `REDUCERS`.
"""

from soulfra.insights.assistant import AssistantUse
from soulfra.insights.course import Drift, Mood, Topics
from soulfra.insights.exposure import Exposure
from soulfra.insights.hearing import Hearing
from soulfra.insights.holders import Holders
from soulfra.insights.insight import Evidence, Insight, Portion, Reader, Reducer
from soulfra.insights.people import Balance, Responses
from soulfra.insights.promises import Commitments, Decisions, OpenLoops
from soulfra.insights.rhythm import Rhythm
from soulfra.insights.work import Chances, Friction, Tasks

REDUCERS: tuple[type[Reducer], ...] = (
    OpenLoops, Commitments, Decisions, Tasks, Responses, Balance, Rhythm, Topics, Mood, Friction, Exposure, Chances, AssistantUse,
    Holders, Drift,
)  # fmt: skip
SHOWN = 12

__all__ = ["REDUCERS", "SHOWN", "Evidence", "Hearing", "Insight", "Portion", "Reader", "Reducer"]
