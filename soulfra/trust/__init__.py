"""How trust grows and fades: Beta reputation with forgetting, over sums of evidence, so that nothing depends on order.

Jøsang and Ismail, The Beta Reputation System, Bled 2002; evidence-based form after Škorić et al. 2015.
What people write never moves trust: only how their uploads behave does.
"""

from soulfra.trust.fold import Change, Store, analysed, passed, registered
from soulfra.trust.history import days_of, months_before, moves_of
from soulfra.trust.model import LADDER, MODEL, PRIORS, RULES, Rule, missing, stage, uncertainty
from soulfra.trust.rows import ContentRow, DayRow, Evidence, MonthRow, Move, TrustRow, TrustRows

__all__ = [
    "LADDER",
    "MODEL",
    "PRIORS",
    "RULES",
    "Change",
    "ContentRow",
    "DayRow",
    "Evidence",
    "MonthRow",
    "Move",
    "Rule",
    "Store",
    "TrustRow",
    "TrustRows",
    "analysed",
    "days_of",
    "missing",
    "months_before",
    "moves_of",
    "passed",
    "registered",
    "stage",
    "uncertainty",
]
