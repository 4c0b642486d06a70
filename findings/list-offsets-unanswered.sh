#!/usr/bin/env bash
# Asked for the ends of partitions, the Admin client calls those of a leader that does not answer -1001, and tells no error.
#
# Versions: confluent-kafka 2.16.0 (librdkafka 2.16.0), org.apache.kafka:kafka_2.13 4.3.1.
# Seen on 30 November 2026.
#
# Behaviour. `list_offsets` asks the leader of each partition and puts the answers together. Where one leader does not answer within
# `request_timeout`, its answer is left out without a look at the error: its partitions keep the value that they began with, -1001
# ("invalid"), and each future ends well. An error that a broker does send for a partition is told as it should be.
#
# Output seen:
#   both brokers answer:        here-0: 1, away-0: 1
#   broker 2 stands still:      here-0: 1, away-0: -1001 (no error, after 3.0 s)
#
# Surprising because each partition has a future of its own, which exists to raise. Whoever asks whether there is something to read, or how
# much (end - position), finds nothing there: a table that is restored from its changelog begins anew, and everything is counted again.
set -euo pipefail
source "$(dirname "$0")/lib/parts.sh"
within 300 "$0" "$@"

python_packages confluent-kafka==2.16.0
java_packages org.apache.kafka:kafka_2.13:4.3.1 org.apache.logging.log4j:log4j-slf4j-impl:2.25.4
read -r first second controller <<<"$(free_port) $(free_port) $(free_port)"
kafka_node 1 broker,controller "$first" "$controller" broker.session.timeout.ms=18000
kafka_node 2 broker "$second" "$controller" broker.session.timeout.ms=18000
kafka_start 1
kafka_start 2
kafka_brokers "127.0.0.1:$first" 2

cat >"$work/ask.py" <<'PY'
"""Asks two leaders for the ends of a partition each, then once more while the process of one (its id is given) stands still."""
import os, signal, sys, time
from confluent_kafka import KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic, OffsetSpec

servers, victim = sys.argv[1], int(sys.argv[2])
admin = AdminClient({"bootstrap.servers": servers, "log_level": 0})


def ends():
    places = [TopicPartition("here", 0), TopicPartition("away", 0)]
    asked = admin.list_offsets(dict.fromkeys(places, OffsetSpec.latest()), request_timeout=3)
    return {f"{place.topic}-0": asked[place].result().offset for place in places}


def told(found):
    return ", ".join(f"{place}: {offset}" for place, offset in found.items())


for made in admin.create_topics([NewTopic("here", 1, replica_assignment=[[1]]), NewTopic("away", 1, replica_assignment=[[2]])]).values():
    made.result()
producer = Producer({"bootstrap.servers": servers, "log_level": 0})
for topic in ("here", "away"):
    producer.produce(topic, b"1", partition=0)
producer.flush(60)
before = ends()
print(f"both brokers answer:        {told(before)}")
os.kill(victim, signal.SIGSTOP)
began = time.monotonic()
try:
    during = ends()
    print(f"broker 2 stands still:      {told(during)} (no error, after {time.monotonic() - began:.1f} s)")
except KafkaException as raised:
    sys.exit(f"it raises now: {raised}")
finally:
    os.kill(victim, signal.SIGCONT)
sys.exit((before, during) != ({"here-0": 1, "away-0": 1}, {"here-0": 1, "away-0": -1001}))
PY
"$python" "$work/ask.py" "127.0.0.1:$first" "$started_pid" || changed "the unanswered partition is no longer -1001 without an error"
