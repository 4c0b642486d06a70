"""When the talk happens."""

from __future__ import annotations

from soulfra.insights.insight import Best, Insight, Portion, Reader, percent, share_confidence

MIN_MESSAGES = 200
NIGHT = (22, 6)  # from this hour to that one, as the export writes the time
DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


class Rhythm:
    """The hours and days of what people write, and how much of it at night and on weekends."""

    def __init__(self) -> None:
        self.hours = [[0] * 24 for _ in range(7)]
        self.all = 0
        self.zone = True
        self.best = Best()

    def update(self, portion: Portion) -> None:
        self.all += len(portion.seen)
        for message, _, _, _ in portion.people:
            if (at := message.at) is not None:
                hour = at.hour
                self.hours[at.weekday()][hour] += 1
                self.zone &= at.tzinfo is not None
                if _night(hour):
                    self.best.add((hour - NIGHT[0]) % 24, message)

    def merge(self, other: Rhythm) -> None:
        self.all += other.all
        self.hours = [[a + b for a, b in zip(*days, strict=True)] for days in zip(self.hours, other.hours, strict=True)]
        self.zone &= other.zone
        self.best.merge(other.best)

    def result(self, reader: Reader) -> list[Insight]:
        n = sum(map(sum, self.hours))
        if self.all < MIN_MESSAGES or not n:
            return []
        night = sum(day[hour] for day in self.hours for hour in range(24) if _night(hour))
        weekend = sum(map(sum, self.hours[5:]))
        day, hour = max(((d, h) for d in range(7) for h in range(24)), key=lambda at: (self.hours[at[0]][at[1]], at))
        return [
            Insight(
                "rhythm", "rhythm", "When it happens",
                f"{percent(night / n)} is written between 22 and 6 o'clock and {percent(weekend / n)} on weekends; "
                f"the busiest hour is {DAYS[day]} {hour}:00.",
                round(night / n, 4), "share", round(8 / 24, 4), n, share_confidence(max(night, 1), n), 0.4,
                self.best.evidence(), "messages of people by hour and weekday, as the export writes the time",
                "Keep the busiest hour free of meetings; write what can wait into the morning.",
                ("times are UTC, not the writers' own",) if self.zone else (),
            )
        ]  # fmt: skip


def _night(hour: int) -> bool:
    return hour >= NIGHT[0] or hour < NIGHT[1]
