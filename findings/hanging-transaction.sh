#!/usr/bin/env bash
# A commit that Kafka acknowledges may never reach a partition whose leader is away: read-committed readers wait there for ever.
#
# Versions: org.apache.kafka:kafka_2.13 4.3.1, confluent-kafka 2.16.0. Another version of Kafka can be the argument: 4.2.2 does not do it.
# Seen on 30 November 2026.
#
# Behaviour. A transaction writes to two partitions with one replica each, on two brokers. One broker is killed (kill -9), and
# the producer commits. The coordinator, on the other broker, records the decision and has to write a marker into both partitions.
# It takes a partition without a leader for a deleted one: it leaves the marker out and records the transaction as complete. When
# the killed broker is back, its partition still holds an open transaction that no coordinator knows of, so no time limit ends it.
# KAFKA-20734 is the missing case; up to 4.2 the marker was kept until a leader was there.
#
# Output seen:
#   commit_transaction() returned after 0.0 s while broker 2 was dead
#   broker 1's log: Couldn't find leader endpoint for partitions Set(away-0) while trying to send transaction markers for t, these
#     partitions are likely deleted already and hence can be skipped
#   broker 2 is back, a new producer has used the transactional id; three time limits of the transaction later:
#   here-0: last stable offset 4 of 4, committed records read: 2
#   away-0: last stable offset 0 of 1, committed records read: 0
#   the producer writes to away-0 again and aborts:
#   away-0: last stable offset 3 of 3, committed records read: 0
#
# The last lines are worse than the wait: the next transaction of that producer in the partition joins the open one, and its abort takes
# the record along whose commit was acknowledged.
#
# Surprising because an acknowledged commit is the one thing that should outlive a broker, and because what one expects to end an open
# transaction does not: neither a restart, nor the time limit, nor a new producer under the same id.
set -euo pipefail
source "$(dirname "$0")/lib/parts.sh"
within 500 "$0" "$@"

kafka=${1:-4.3.1} # another version shows what that one does
python_packages confluent-kafka==2.16.0
java_packages "org.apache.kafka:kafka_2.13:$kafka" org.apache.logging.log4j:log4j-slf4j-impl:2.25.4

read -r first second controller <<<"$(free_port) $(free_port) $(free_port)"
cat >"$work/log4j2.properties" <<'LOG'
appender.console.type = Console
appender.console.name = console
rootLogger = WARN, console
logger.transactions.name = kafka.coordinator.transaction
logger.transactions.level = INFO
LOG
java_flags+=("-Dlog4j2.configurationFile=$work/log4j2.properties")
kafka_node 1 broker,controller "$first" "$controller" broker.session.timeout.ms=3000 broker.heartbeat.interval.ms=500
kafka_node 2 broker "$second" "$controller" broker.session.timeout.ms=3000 broker.heartbeat.interval.ms=500
kafka_start 1
kafka_start 2
victim=$started_pid
servers=127.0.0.1:$first
kafka_brokers "$servers" 2

cat >"$work/before.py" <<'PY'
"""Writes a transaction to both topics; commits it once standard input says that the broker is dead."""
import sys, time
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, NewTopic

servers = sys.argv[1]
admin = AdminClient({"bootstrap.servers": servers, "log_level": 0})
topics = [NewTopic("here", 1, replica_assignment=[[1]]), NewTopic("away", 1, replica_assignment=[[2]]),
          NewTopic("__transaction_state", 1, replica_assignment=[[1]], config={"cleanup.policy": "compact"})]
for made in admin.create_topics(topics).values():
    made.result()
producer = Producer({"bootstrap.servers": servers, "transactional.id": "t", "transaction.timeout.ms": 5000, "log_level": 0})
producer.init_transactions(60)
producer.begin_transaction()
producer.produce("here", b"1")
producer.produce("away", b"1")
producer.flush(30)
print("written", flush=True)
sys.stdin.readline()
began = time.monotonic()
producer.commit_transaction(60)
print(f"commit_transaction() returned after {time.monotonic() - began:.1f} s while broker 2 was dead", flush=True)
PY
cat >"$work/again.py" <<'PY'
"""A new producer under the same transactional id, whose own transaction goes through."""
import sys
from confluent_kafka import Producer

producer = Producer({"bootstrap.servers": sys.argv[1], "transactional.id": "t", "log_level": 0})
producer.init_transactions(60)
producer.begin_transaction()
producer.produce("here", b"2")
producer.commit_transaction(60)
PY
cat >"$work/abort.py" <<'PY'
"""Writes to the partition that hangs, under the same transactional id, and aborts."""
import sys
from confluent_kafka import Producer

producer = Producer({"bootstrap.servers": sys.argv[1], "transactional.id": "t", "log_level": 0})
producer.init_transactions(60)
producer.begin_transaction()
producer.produce("away", b"3")
producer.flush(30)
producer.abort_transaction(60)
PY
cat >"$work/after.py" <<'PY'
"""Prints where each partition's last stable offset stands, and what a read-committed reader gets."""
import sys, time
from confluent_kafka import Consumer, IsolationLevel, TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec

servers = sys.argv[1]
admin = AdminClient({"bootstrap.servers": servers, "log_level": 0})
places = [TopicPartition("here", 0), TopicPartition("away", 0)]


def end(place, level):
    answer = admin.list_offsets({place: OffsetSpec.latest()}, isolation_level=level, request_timeout=60)
    return answer[place].result().offset


def records(place):
    reader = Consumer({"bootstrap.servers": servers, "group.id": "g", "isolation.level": "read_committed", "log_level": 0})
    reader.assign([TopicPartition(place.topic, 0, 0)])
    read = [message for message in reader.consume(10, 5) if not message.error()]
    reader.close()
    return len(read)


stuck = []
for place in places:
    stable, last = end(place, IsolationLevel.READ_COMMITTED), end(place, IsolationLevel.READ_UNCOMMITTED)
    read = records(place)
    print(f"{place.topic}-0: last stable offset {stable} of {last}, committed records read: {read}")
    if stable < last and not read:
        stuck.append(place.topic)
sys.exit(0 if stuck == ["away"] else 3)
PY

mkfifo "$work/go"
"$python" "$work/before.py" "$servers" <"$work/go" >"$work/before.txt" &
producer=$!
started+=("$producer")
exec 9>"$work/go"
until grep -q written "$work/before.txt"; do kill -0 "$producer" 2>/dev/null || changed "the transaction was not written"; sleep 0.2; done
kill -9 "$victim"
wait "$victim" 2>/dev/null || true
echo go >&9
wait "$producer" || changed "the commit failed while the broker was dead (as it should)"
grep commit_transaction "$work/before.txt"
kafka_brokers "$servers" 1
sleep 5
grep -ho "Couldn't find leader endpoint for partitions .*" "$work/node-1.txt" | sed "s/^/broker 1's log: /" || true
kafka_start 2
kafka_brokers "$servers" 2
"$python" "$work/again.py" "$servers"
echo "broker 2 is back, a new producer has used the transactional id; three time limits of the transaction later:"
sleep 15
"$python" "$work/after.py" "$servers" || changed "the partition did not keep the open transaction"

"$python" "$work/abort.py" "$servers"
echo "the producer writes to away-0 again and aborts:"
sleep 3
"$python" "$work/after.py" "$servers" >"$work/after.txt" || true
grep away-0 "$work/after.txt"
grep -q "away-0: last stable offset 3 of 3, committed records read: 0" "$work/after.txt" || changed "the committed record is still there"
