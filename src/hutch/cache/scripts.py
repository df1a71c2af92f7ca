"""The scripts of the cache: what has to happen at once. They run in Hutch, Redis and Valkey alike.

A cache with the namespace N keeps the entry of K at N:K, and beside the entries:

    N!lease:K     who computes K now: its token. Whoever invalidates K removes it, and what is being computed will not be stored.
    N!epoch       how often something was invalidated by tag or prefix
    N!fence       the epoch of the last invalidation by prefix      } kept for at least as long as any lease: what was begun in an earlier
    N!fence:T     the epoch of the last invalidation of tag T       } epoch is not stored
    N!tag:T       sorted set: the entries with tag T, by their deadlines in ms
"""
from __future__ import annotations

import hashlib


class Script:
    """A script's text, and the SHA-1 by which EVALSHA knows it."""

    def __init__(self, text: str):
        self.text = text
        self.sha = hashlib.sha1(text.encode()).hexdigest()


# KEYS entry, lease, epoch; ARGV token, lease in ms -> granted, epoch, entry or nothing
CLAIM = Script("""
local granted = redis.call('SET', KEYS[2], ARGV[1], 'NX', 'PX', ARGV[2]) and 1 or 0
return {granted, tonumber(redis.call('GET', KEYS[3]) or 0), redis.call('GET', KEYS[1])}
""")

# KEYS lease; ARGV token
RELEASE = Script("""
if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end
return 0
""")

# KEYS lease; ARGV token, which begins with "w:", lease in ms -> granted? A writer takes the lease of whoever computes, not of another writer.
LOCK = Script("""
local holder = redis.call('GET', KEYS[1])
if holder and string.sub(holder, 1, 2) == 'w:' then return 0 end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 1
""")

# KEYS entry, lease, fence, then tag and fence of each tag; ARGV entry, ttl in ms or 0, token or '', epoch -> stored?
# Without a token it is a value that somebody sets: it ends all computations of the key.
STORE = Script("""
if ARGV[3] ~= '' then
  if redis.call('GET', KEYS[2]) ~= ARGV[3] then return 0 end
end
redis.call('DEL', KEYS[2])
if ARGV[3] ~= '' then
  local epoch = tonumber(ARGV[4])
  if tonumber(redis.call('GET', KEYS[3]) or 0) > epoch then return 0 end
  for i = 5, #KEYS, 2 do
    if tonumber(redis.call('GET', KEYS[i]) or 0) > epoch then return 0 end
  end
end
local ttl = tonumber(ARGV[2])
if ttl > 0 then redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2]) else redis.call('SET', KEYS[1], ARGV[1]) end
if #KEYS > 3 then
  local time = redis.call('TIME')
  local now = time[1] * 1000 + math.floor(time[2] / 1000)
  for i = 4, #KEYS, 2 do
    redis.call('ZREMRANGEBYSCORE', KEYS[i], '-inf', now)
    redis.call('ZADD', KEYS[i], ttl > 0 and string.format('%d', now + ttl) or '+inf', KEYS[1])
    local last = tonumber(redis.call('ZRANGE', KEYS[i], -1, -1, 'WITHSCORES')[2])
    if last == math.huge then redis.call('PERSIST', KEYS[i]) else redis.call('PEXPIREAT', KEYS[i], string.format('%d', last + 1)) end
  end
end
return 1
""")

# KEYS entry, lease; ARGV token, the entry as it was, the entry with another time -> renewed? Its deadline in the store stays.
KEEP_STALE = Script("""
if ARGV[1] ~= '' then
  if redis.call('GET', KEYS[2]) ~= ARGV[1] then return 0 end
  redis.call('DEL', KEYS[2])
end
if redis.call('GET', KEYS[1]) ~= ARGV[2] then return 0 end
redis.call('SET', KEYS[1], ARGV[3], 'KEEPTTL')
return 1
""")

# KEYS epoch, then tag and fence of each tag; ARGV how long fences stand, in ms -> number of entries removed
INVALIDATE_TAGS = Script("""
local epoch = redis.call('INCR', KEYS[1])
local removed = 0
for i = 2, #KEYS, 2 do
  local from = 0
  repeat
    local keys = redis.call('ZRANGE', KEYS[i], from, from + 999)
    if #keys > 0 then removed = removed + redis.call('UNLINK', unpack(keys)) end
    from = from + 1000
  until #keys < 1000
  redis.call('DEL', KEYS[i])
  redis.call('SET', KEYS[i + 1], epoch, 'PX', ARGV[1])
end
return removed
""")

# KEYS epoch, fence; ARGV pattern, how long the fence stands, in ms -> number of entries removed
INVALIDATE_PREFIX = Script("""
local epoch = redis.call('INCR', KEYS[1])
redis.call('SET', KEYS[2], epoch, 'PX', ARGV[2])
local removed, cursor = 0, '0'
repeat
  local page = redis.call('SCAN', cursor, 'MATCH', ARGV[1], 'COUNT', 1000)
  cursor = page[1]
  if #page[2] > 0 then removed = removed + redis.call('UNLINK', unpack(page[2])) end
until cursor == '0'
return removed
""")

# Entries that these remove are not among their KEYS.
REMOVES_MANY = (INVALIDATE_TAGS, INVALIDATE_PREFIX)


def escaped(prefix: bytes) -> bytes:
    """A pattern that matches exactly this text."""
    for letter in b"\\*?[]^":
        sign = bytes((letter,))
        prefix = prefix.replace(sign, b"\\" + sign)
    return prefix
