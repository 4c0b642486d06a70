"""What a reader would act on: each insight with its number, its evidence and what to do next.

A reducer reads batches once, halves of a file merge, and the result is the same for the same file. One file per group;
a new insight is a reducer in `REDUCERS`.
"""

from soulfra.insights.assistant import AssistantUse
from soulfra.insights.exposure import Exposure
from soulfra.insights.insight import Evidence, Insight, Reader, Reducer
from soulfra.insights.people import Balance, Responses
from soulfra.insights.promises import Commitments, Decisions, OpenLoops
from soulfra.insights.rhythm import Rhythm

REDUCERS: tuple[type[Reducer], ...] = (
    OpenLoops, Commitments, Decisions, Responses, Balance, Rhythm, Exposure, AssistantUse,
)  # fmt: skip
SHOWN = 12

__all__ = ["REDUCERS", "SHOWN", "Evidence", "Insight", "Reader", "Reducer"]
