"""The copy of the tables in Redis: its keys, and the scripts that write and read it.

All keys of a partition carry it as hash tag, so that a cluster keeps them together. Rows, the changelog's offset and
the position change in one step, and only if the stored offset is the expected one: a FLUSHALL, a failover to an older
replica or a second projector are seen at the next step and healed from the log. Rows and position are read in one step, too.
"""

from __future__ import annotations

ONLY = "-"  # field of a person's single row
PROGRESS_STEPS = 200  # that are kept of an analysis

APPLY = """
local state = KEYS[1]
local stored = redis.call('HMGET', state, 'changelog', 'next')
if stored[1] ~= ARGV[1] then return -1 end
if stored[2] ~= ARGV[2] then return tonumber(stored[2]) end
for i = 2, #KEYS do
  local at = 6 + (i - 2) * 2
  local field, row = ARGV[at], ARGV[at + 1]
  if row == '' then redis.call('HDEL', KEYS[i], field) else redis.call('HSET', KEYS[i], field, row) end
end
redis.call('HSET', state, 'next', ARGV[3])
if ARGV[4] ~= '' then redis.call('HSET', state, 'position', ARGV[4]) end
if ARGV[5] == '1' then redis.call('HSET', state, 'complete', '1') end
return tonumber(ARGV[3])
"""
BEGIN = """
if redis.call('HGET', KEYS[1], 'changelog') == ARGV[1] then return tonumber(redis.call('HGET', KEYS[1], 'next')) end
redis.call('DEL', KEYS[1])
redis.call('HSET', KEYS[1], 'changelog', ARGV[1], 'next', '0', 'complete', '0')
return 0
"""
SNAPSHOT = """
local rows = #ARGV == 0 and redis.call('HGETALL', KEYS[1]) or redis.call('HMGET', KEYS[1], unpack(ARGV))
return {rows, redis.call('HMGET', KEYS[2], 'position', 'complete')}
"""


def state_key(table: str, partition: int) -> str:
    """Hash of `changelog` (id of the topic), `next` (its offset), `position` (JSON), `complete` (0 while rebuilt)."""
    return f"{{p{partition}}}:{table}:@"


def rows_key(table: str, partition: int, key: str) -> str:
    """Hash of one person's rows in a table, by sub-key."""
    return f"{{p{partition}}}:{table}:{key}"


def progress_key(partition: int, chat_id: str) -> str:
    """Stream of an analysis's progress; it expires by itself."""
    return f"{{p{partition}}}:progress:{chat_id}"
