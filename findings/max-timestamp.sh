#!/usr/bin/env bash
# The offset with the newest timestamp may be one that no consumer can ever read.
#
# Versions: org.apache.kafka:kafka_2.13 4.3.1, confluent-kafka 2.16.0.
# Seen on 30 November 2026.
#
# Behaviour. After a committed transaction, list_offsets(OffsetSpec.max_timestamp()) answers with the offset of the commit marker.
# While another transaction is open behind it, the same question under read_committed answers -1, as for an empty partition,
# although committed records are there.
#
# Output seen:
#   3 committed records at offsets 0 to 2, the commit marker at 3
#   max_timestamp: read_uncommitted 3, read_committed 3
#   a consumer at offset 3 reads 0 records
#   with a transaction open behind: max_timestamp under read_committed -1, committed records read from 0: 3
#
# Surprising because the call exists to find the newest record ("how fresh is this topic?"): one that reads the record at the offset
# waits for nothing, and one that takes -1 for "empty" is wrong as long as anybody has a transaction open.
set -euo pipefail
source "$(dirname "$0")/lib/parts.sh"
within 300 "$0" "$@"

python_packages confluent-kafka==2.16.0
kafka_alone
cat >"$work/ask.py" <<'PY'
import sys, time
from confluent_kafka import Consumer, IsolationLevel, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic, OffsetSpec

servers = sys.argv[1]
admin = AdminClient({"bootstrap.servers": servers, "log_level": 0})
place = TopicPartition("t", 0)
COMMITTED, UNCOMMITTED = IsolationLevel.READ_COMMITTED, IsolationLevel.READ_UNCOMMITTED


def offset(spec, level):
    return admin.list_offsets({place: spec}, isolation_level=level, request_timeout=60)[place].result().offset


def newest(level):
    return offset(OffsetSpec.max_timestamp(), level)


def readable(first):
    reader = Consumer({"bootstrap.servers": servers, "group.id": "g", "isolation.level": "read_committed", "log_level": 0})
    reader.assign([TopicPartition("t", 0, first)])
    messages = [message for message in reader.consume(10, 5) if not message.error()]
    reader.close()
    return len(messages)


admin.create_topics([NewTopic("t", 1, 1)], operation_timeout=60)["t"].result(90)
producer = Producer({"bootstrap.servers": servers, "transactional.id": "t", "log_level": 0})
producer.init_transactions(60)
producer.begin_transaction()
for _ in range(3):
    producer.produce("t", b"committed")
producer.commit_transaction(60)
until = time.monotonic() + 30
while offset(OffsetSpec.latest(), COMMITTED) < 4 and time.monotonic() < until:
    time.sleep(0.1)  # the commit is acknowledged before its marker is written
print("3 committed records at offsets 0 to 2, the commit marker at 3")
after = newest(UNCOMMITTED), newest(COMMITTED)
print(f"max_timestamp: read_uncommitted {after[0]}, read_committed {after[1]}")
there = readable(3)
print(f"a consumer at offset 3 reads {there} records")
producer.begin_transaction()
producer.produce("t", b"open")
producer.flush(30)
behind, records = newest(COMMITTED), readable(0)
print(f"with a transaction open behind: max_timestamp under read_committed {behind}, committed records read from 0: {records}")
producer.abort_transaction(60)
sys.exit(0 if (after, there, behind, records) == ((3, 3), 0, -1, 3) else 3)
PY
"$python" "$work/ask.py" "$servers" || changed "other offsets than those above"
