#!/usr/bin/env bash
# The same Redis client tries eleven times when it is made with a host, and once when it is made from a URL.
#
# Version: redis 8.1.0 (redis-py).
# Seen on 30 November 2026.
#
# Behaviour. A client without retry settings, made with Redis(host, port), makes ten more attempts with growing pauses when the server closes
# the connection or refuses it. Redis.from_url(), and a client on a ConnectionPool, fail at the first.
#
# Output seen:
#   Redis(host, port): ConnectionError after 11 connections
#   Redis.from_url(url): ConnectionError after 1 connection
#   Redis(connection_pool=ConnectionPool(host, port)): ConnectionError after 1 connection
#
# Surprising because both are documented as ways to make the same client, and services are configured by URL: the retries that one
# sees in every test on a laptop are missing in production, during a failover of all moments.
set -euo pipefail
source "$(dirname "$0")/lib/parts.sh"
within 200 "$0" "$@"

python_packages redis==8.1.0
cat >"$work/count.py" <<'PY'
"""A server on loopback closes every connection at once; how often does each client come?"""
import socket, sys, threading
from redis import ConnectionPool, Redis

server = socket.create_server(("127.0.0.1", 0))
port = server.getsockname()[1]
connections = []


def close_all():
    while True:
        connection, _ = server.accept()
        connections.append(1)
        connection.close()


threading.Thread(target=close_all, daemon=True).start()


def count(name, client):
    del connections[:]
    try:
        client.ping()
        outcome = "no error"
    except Exception as error:
        outcome = type(error).__name__
    print(f"{name}: {outcome} after {len(connections)} connection{'s'[: len(connections) > 1]}")
    return len(connections)


by_host = count("Redis(host, port)", Redis("127.0.0.1", port))
by_url = count("Redis.from_url(url)", Redis.from_url(f"redis://127.0.0.1:{port}"))
by_pool = count("Redis(connection_pool=ConnectionPool(host, port))",
                Redis(connection_pool=ConnectionPool(host="127.0.0.1", port=port)))
sys.exit(0 if (by_host, by_url, by_pool) == (11, 1, 1) else 3)
PY
"$python" "$work/count.py" || changed "another number of connections"
