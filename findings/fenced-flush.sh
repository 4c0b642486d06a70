#!/usr/bin/env bash
# A fenced producer hears of it in flush(), as a SystemError: the KafkaException that says why is only its cause.
#
# Versions: confluent-kafka 2.16.0, org.apache.kafka:kafka_2.13 4.3.1.
# Seen on 30 November 2026.
#
# Behaviour. Two producers share a transactional id; the second has called init_transactions(). When the first goes on, the broker
# fences it, which is fatal, and flush() is to raise that. It does so while it still calls delivery reports, with the exception
# already set: the first function in C that a report calls, such as append() of a list, becomes a SystemError, and that is what
# flush() raises. An error_cb changes nothing. With a report that calls nothing, or without one, flush() raises the KafkaException.
#
# Output seen:
#   a report that keeps the error: flush() raises SystemError, caused by KafkaException _FENCED
#   the same with an error_cb: flush() raises SystemError, caused by KafkaException _FENCED
#   a report that does nothing: flush() raises KafkaException _FENCED
#   no report: flush() raises KafkaException _FENCED
#
# Surprising because fencing is how the losing half of two processes is meant to learn of it: code that catches KafkaException around
# flush() works until somebody adds a delivery report, and then ends with an error that names neither Kafka nor the fence.
set -euo pipefail
source "$(dirname "$0")/lib/parts.sh"
within 400 "$0" "$@"

python_packages confluent-kafka==2.16.0
kafka_alone

cat >"$work/fence.py" <<'PY'
import sys
from confluent_kafka import KafkaException, Producer
from confluent_kafka.admin import AdminClient, NewTopic

servers = sys.argv[1]
admin = AdminClient({"bootstrap.servers": servers, "log_level": 0})
admin.create_topics([NewTopic("topic", 1, 1)], operation_timeout=60)["topic"].result(90)


def begun(id, **more):
    producer = Producer({"bootstrap.servers": servers, "transactional.id": id, "log_level": 0, **more})
    producer.init_transactions(60)
    return producer


def outcome(call, *words):
    try:
        call(*words)
    except BaseException as error:
        fault = error if isinstance(error, KafkaException) else error.__cause__
        named = f"KafkaException {fault.args[0].name()}" if isinstance(fault, KafkaException) else repr(fault)
        return f"raises {named}" if fault is error else f"raises {type(error).__name__}, caused by {named}"
    return "returns"


def flushed(id, more):
    """What flush() does of a producer whose id another one uses now."""
    old = begun(id, **more.get("client", {}))
    old.begin_transaction()
    begun(id)
    for _ in range(3):
        old.produce("topic", b"value", **more.get("message", {}))
    return outcome(old.flush, 30)


kept = []
keeps, idle = {"on_delivery": lambda error, message: kept.append(error)}, {"on_delivery": lambda error, message: None}
cases = {
    "a report that keeps the error": {"message": keeps},
    "the same with an error_cb": {"message": keeps, "client": {"error_cb": lambda error: None}},
    "a report that does nothing": {"message": idle},
    "no report": {},
}
found = {name: flushed(f"id-{n}", more) for n, (name, more) in enumerate(cases.items())}
for name, what in found.items():
    print(f"{name}: flush() {what}")
wrapped, plain = "raises SystemError, caused by KafkaException _FENCED", "raises KafkaException _FENCED"
sys.exit(0 if list(found.values()) == [wrapped, wrapped, plain, plain] else 3)
PY
"$python" "$work/fence.py" "$servers" || changed "flush() of a fenced producer does something else"
