"""Events about people."""

from typing import Annotated

from schemas.event import Event
from schemas.fields import MEASURE, Choice


class Standing(Choice):
    """How well a person is known when they arrive."""

    UNKNOWN = "UNKNOWN"
    ANONYMOUS = "ANONYMOUS"
    MAIL = "MAIL"
    IDENTITY = "IDENTITY"


class UserRegistered(Event):
    """A person arrived: trust, plan and routing start for them."""

    standing: Annotated[Standing, MEASURE] = Standing.ANONYMOUS
