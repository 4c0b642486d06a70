# What several findings need: a temp folder that goes away, pinned packages in it, and Kafka on loopback. Sourced, not run.

work=$(mktemp -d)
started=()

# Ends what this script started, by id, and takes the folder away.
tidy() {
  local pid
  for pid in "${started[@]}"; do kill -9 "$pid" 2>/dev/null || true; done
  wait 2>/dev/null || true
  rm -rf "$work"
}
trap tidy EXIT
trap 'exit 143' TERM INT

# within SECONDS "$@": runs the script again under a time limit, once. First thing that a finding does.
within() {
  [[ -n ${FINDING_BOUNDED:-} ]] && return
  rm -rf "$work"
  FINDING_BOUNDED=1 exec timeout --kill-after=20 "$@"
}

changed() {
  echo "CHANGED: $*" >&2
  exit 1
}

# python_packages NAME==VERSION...: into an environment of their own, $python.
python_packages() {
  python3 -m venv "$work/venv"
  python=$work/venv/bin/python
  "$python" -m pip install --quiet --disable-pip-version-check "$@"
}

# java_packages GROUP:ARTIFACT:VERSION...: with what they need, into $work/jars; the class path is $jars.
java_packages() {
  local package group artifact version
  {
    echo '<project><modelVersion>4.0.0</modelVersion><groupId>finding</groupId><artifactId>finding</artifactId>'
    echo '<version>0</version><dependencies>'
    for package in "$@"; do
      IFS=: read -r group artifact version <<<"$package"
      echo "<dependency><groupId>$group</groupId><artifactId>$artifact</artifactId><version>$version</version></dependency>"
    done
    echo '</dependencies></project>'
  } >"$work/pom.xml"
  (cd "$work" && mvn -q -B org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies \
    -DincludeScope=runtime -DoutputDirectory="$work/jars")
  jars="$work/jars/*"
}

free_port() {
  python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}

java_flags=(-Xmx256m -XX:+UseSerialGC -XX:TieredStopAtLevel=1)

# kafka_node ID ROLES PORT CONTROLLER_PORT [SETTING...]: settings and a formatted folder for one KRaft node.
kafka_node() {
  local id=$1 roles=$2 port=$3 controller=$4 listeners advertised
  shift 4
  advertised=PLAINTEXT://127.0.0.1:$port
  listeners=$advertised
  [[ $roles == *controller* ]] && listeners+=",CONTROLLER://127.0.0.1:$controller"
  printf '%s\n' "node.id=$id" "process.roles=$roles" "listeners=$listeners" "advertised.listeners=$advertised" \
    controller.listener.names=CONTROLLER "controller.quorum.bootstrap.servers=127.0.0.1:$controller" \
    "log.dirs=$work/node-$id" auto.create.topics.enable=false group.initial.rebalance.delay.ms=0 \
    offsets.topic.replication.factor=1 offsets.topic.num.partitions=1 transaction.state.log.replication.factor=1 \
    transaction.state.log.min.isr=1 transaction.state.log.num.partitions=1 "$@" >"$work/node-$id.properties"
  java "${java_flags[@]}" -cp "$jars" kafka.tools.StorageTool format -t AAAAAAAAAAAAAAAAAAAAAQ -c "$work/node-$id.properties" \
    "$([[ $roles == *controller* ]] && echo --standalone || echo --no-initial-controllers)" >"$work/format-$id.txt" 2>&1 ||
    { cat "$work/format-$id.txt" >&2; exit 1; }
}

# kafka_alone [GROUP:ARTIFACT:VERSION...]: one node of Kafka 4.3.1, which may still be starting, at $servers; $jars has these packages, too.
kafka_alone() {
  local port controller
  java_packages "$@" org.apache.kafka:kafka_2.13:4.3.1 org.apache.logging.log4j:log4j-slf4j-impl:2.25.4
  read -r port controller <<<"$(free_port) $(free_port)"
  kafka_node 1 broker,controller "$port" "$controller"
  kafka_start 1
  servers=127.0.0.1:$port
}

# kafka_brokers SERVERS N: until the cluster has so many brokers, for 150 s at most. Needs confluent-kafka in $python.
kafka_brokers() {
  "$python" - "$@" <<'PY' || { echo "the cluster did not get $2 brokers" >&2; exit 1; }
import sys, time
from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

admin, until = AdminClient({"bootstrap.servers": sys.argv[1], "log_level": 0}), time.monotonic() + 150
while time.monotonic() < until:
    try:
        if len(admin.list_topics(timeout=5).brokers) == int(sys.argv[2]):
            sys.exit(0)
    except KafkaException:
        pass
    time.sleep(0.2)
sys.exit(1)
PY
}

# kafka_start ID: starts the node; its process id is $started_pid, its log $work/node-ID.txt.
kafka_start() {
  java "${java_flags[@]}" -cp "$jars" kafka.Kafka "$work/node-$1.properties" >>"$work/node-$1.txt" 2>&1 &
  started_pid=$!
  started+=("$started_pid")
}
