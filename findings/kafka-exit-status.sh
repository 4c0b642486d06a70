#!/usr/bin/env bash
# kafka-consumer-groups says "Error" and exits with 0, so a script that checks its status goes on.
#
# Versions: org.apache.kafka:kafka-tools 4.3.1 on a broker of org.apache.kafka:kafka_2.13 4.3.1.
# Seen on 30 November 2026.
#
# Behaviour. Describing or deleting a group that does not exist, and resetting the offsets of a topic that does not exist, print
# an error and exit with 0. kafka-topics, from the same package, exits with 1 for an unknown topic.
#
# Output seen:
#   describe a group that is not there: exit status 0, says: Error: Executing consumer group command failed due to ...
#   delete a group that is not there: exit status 0, says: Error: Deletion of some consumer groups failed:
#   reset offsets of a topic that is not there: exit status 0, says: Error: ...
#   describe a topic that is not there: exit status 1, says: Error while executing topic command : ...
#
# Surprising because `set -e`, an init container or a deployment job take the status for the answer: the group that was to be
# deleted, or wound back before a replay, was not.
set -euo pipefail
source "$(dirname "$0")/lib/parts.sh"
within 300 "$0" "$@"

kafka_alone org.apache.kafka:kafka-tools:4.3.1

tool() { # tool CLASS ARGUMENT...: prints the exit status and the first line that says what went wrong
  local class=$1 status=0
  shift
  java "${java_flags[@]}" -cp "$jars" "org.apache.kafka.tools.$class" --bootstrap-server "$servers" "$@" >"$work/says.txt" 2>&1 || status=$?
  echo "exit status $status, says: $(grep -m1 -iE 'error|does not exist' "$work/says.txt" | cut -c1-110)"
}

groups=consumer.group.ConsumerGroupCommand
describe=$(tool $groups --timeout 60000 --describe --group nobody)
delete=$(tool $groups --timeout 60000 --delete --group nobody)
reset=$(tool $groups --timeout 60000 --reset-offsets --group nobody --topic nothing --to-earliest --execute)
topic=$(tool TopicCommand --describe --topic nothing)
echo "describe a group that is not there: $describe"
echo "delete a group that is not there: $delete"
echo "reset offsets of a topic that is not there: $reset"
echo "describe a topic that is not there: $topic"
for says in "$describe" "$delete" "$reset"; do
  [[ ${says,,} == "exit status 0"*error* ]] || changed "$says"
done
[[ $topic == "exit status 1"* ]] || changed "$topic"
