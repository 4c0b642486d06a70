"""Ordinary Faust agents at librdkafka's speed, exactly once. Knows no domain.

    app = engine.App("counts", broker="librdkafka://127.0.0.1:9092", processing_guarantee="exactly_once")

Everything else is Faust: `@app.agent`, `async for`, `app.Table`, sinks, windows, timers. See docs/engine.md.
"""

from streams.engine.app import App
from streams.engine.dead import Letter, Refused, letter
from streams.engine.halt import Unready
from streams.engine.options import Options
from streams.engine.work import Postponed, Stopped

__all__ = ["App", "Letter", "Options", "Postponed", "Refused", "Stopped", "Unready", "letter"]
