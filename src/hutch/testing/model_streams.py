"""The stream commands of the reference model: entries in the order of their IDs, and groups that remember who got what.

An ID is a pair of integers (milliseconds, sequence number). What an approximate trim ("~") drops depends on how an engine packs its
entries; here it drops nothing, as it does for streams of less than a hundred small entries. Nobody waits: BLOCK answers as if its
time were over.
"""
from __future__ import annotations

from bisect import bisect_left

from .model import (NO_KEY, OK, SYNTAX, ModelSession, Refused, clean, command, integer, need_integer)
from .replies import NULL_ARRAY, Map

Id = tuple[int, int]
MOST = 2**64 - 1
FIRST, LAST = (0, 0), (MOST, MOST)
BAD_ID = "ERR Invalid stream ID specified as stream command argument"
NO_STREAM_FOR_GROUP = ("ERR The XGROUP subcommand requires the key to exist. Note that for CREATE you may want to use the MKSTREAM option "
                       "to create an empty stream automatically.")
UNKNOWN = -1                     # how many entries a group has read, where that cannot be known


class Consumer:
    """Who reads in a group: when it was seen last and got something last (Unix time in ms, -1 for never)."""

    def __init__(self, now_ms: int):
        self.seen_ms, self.active_ms = now_ms, -1


class Pending:
    """An entry that a consumer got and has not acknowledged: since when (Unix time in ms), and how often it was delivered."""

    def __init__(self, consumer: bytes, delivered_ms: int):
        self.consumer, self.delivered_ms, self.deliveries = consumer, delivered_ms, 1


class Group:
    """A consumer group: the ID up to which it has read, how many entries that were, consumers by name, what is pending by ID."""

    def __init__(self, last: Id, entries_read: int):
        self.last, self.entries_read = last, entries_read
        self.consumers: dict[bytes, Consumer] = {}
        self.pending: dict[Id, Pending] = {}

    def of(self, consumer: bytes) -> list[Id]:
        """The IDs of what is pending for a consumer, in order. O(n log n)"""
        return sorted(id for id, pending in self.pending.items() if pending.consumer == consumer)

    def wants(self, id: Id) -> bool:
        """Is the entry still to be delivered, or pending?"""
        return id > self.last or id in self.pending


class Stream:
    """The value of a stream."""
    name = b"stream"

    def __init__(self):
        self.entries: dict[Id, list[bytes]] = {}
        self.last: Id = FIRST            # the last ID that was given out, whether or not its entry is there
        self.added = 0                   # entries there ever were
        self.max_deleted: Id = FIRST     # the largest ID that XDEL has removed
        self.groups: dict[bytes, Group] = {}

    def __bool__(self) -> bool:
        return True                      # an empty stream stays

    def ids(self) -> list[Id]:
        """The IDs of the entries, in order. O(n log n)"""
        return sorted(self.entries)

    def first(self) -> Id:
        """The ID of the first entry, (0, 0) where there is none. O(n)"""
        return min(self.entries, default=FIRST)

    def range(self, start: Id, end: Id) -> list[Id]:
        """The IDs from start to end, both included. O(n log n)"""
        ids = self.ids()
        return [id for id in ids[bisect_left(ids, start):] if id <= end]

    def entry(self, id: Id) -> list:
        """An entry as replies have it: its ID, and a flat list of fields and values."""
        return [spelled(id), list(self.entries[id])]

    def delete(self, id: Id) -> bool:
        """Remove an entry; was it there?"""
        if self.entries.pop(id, None) is None:
            return False
        self.max_deleted = max(self.max_deleted, id)
        return True

    def entries_up_to(self, id: Id) -> int:
        """How many entries there ever were up to this ID, or UNKNOWN: entries that were deleted cannot be counted."""
        first = self.first()
        if self.added == 0:
            return 0
        if not self.entries and id <= self.last:
            return self.added
        if id != FIRST and id < self.max_deleted:
            return UNKNOWN
        if id >= self.last:
            return self.added if id == self.last else UNKNOWN
        if self.max_deleted == FIRST or self.max_deleted < first:
            if id <= first:
                return self.added - len(self.entries) + (id == first)
        return UNKNOWN

    def gaps_after(self, id: Id) -> bool:
        """May an entry behind this ID have been deleted?"""
        return bool(self.entries) and self.max_deleted != FIRST and id <= self.max_deleted

    def lag(self, group: Group) -> int | None:
        """How many entries the group has not read, or None where that cannot be known."""
        if not self.added or not self.entries:
            return 0
        if group.last < self.first() and self.max_deleted < self.first():
            return len(self.entries)
        read = group.entries_read
        if read == UNKNOWN or self.gaps_after(group.last):
            read = self.entries_up_to(group.last)
        return None if read == UNKNOWN else self.added - read

    def deliver(self, group: Group, id: Id) -> None:
        """The group has read on to this entry."""
        if group.entries_read != UNKNOWN and self.first() <= group.last and not self.gaps_after(group.last):
            group.entries_read += 1
        elif self.added:
            group.entries_read = self.entries_up_to(id)
        group.last = id


# ---- words

def spelled(id: Id) -> bytes:
    """An ID as replies have it."""
    return b"%d-%d" % id


def number(word: bytes) -> int | None:
    """The unsigned integer of 64 bits that a word spells, or None."""
    if not word.isdigit() or len(word) > 20 or (word[:1] == b"0" and len(word) > 1):
        return loosely(word)
    value = int(word)
    return value if value <= MOST else None


def loosely(word: bytes) -> int | None:
    """What strtoull takes as a whole, where it is no plain number: spaces, a plus and zeros may lead. None for all else."""
    digits = word.lstrip(b" \t\n\v\f\r")
    digits = digits[1:] if digits[:1] == b"+" else digits
    return int(digits) if digits.isdigit() and len(digits) <= 40 and int(digits) <= MOST and not word.startswith(b"-") else None


def parse(word: bytes, missing: int = 0) -> Id:
    """The ID that a word spells, with `missing` for a sequence number that it lacks. Refused for a word that spells none."""
    word = word.split(b"\0")[0] if len(word) < 128 else b""
    ms, dash, seq = word.partition(b"-")
    parts = number(ms), number(seq) if dash else missing
    if parts[0] is None or parts[1] is None:
        raise Refused(BAD_ID)
    return parts


def bound(word: bytes, is_end: bool) -> Id:
    """One end of a range: an ID, "-" or "+", or an ID behind "(", which is left out. Refused for another word, and where nothing
    is left."""
    if word[:1] == b"(" and len(word) > 1:
        id = parse(word[1:], MOST if is_end else 0)
        if id == (FIRST if is_end else LAST):
            raise Refused(f"ERR invalid {'end' if is_end else 'start'} ID for the interval")
        return before(id) if is_end else after(id)
    return edge(word, MOST if is_end else 0)


def edge(word: bytes, missing: int = 0) -> Id:
    """An ID, "-" for the least and "+" for the greatest. Refused for another word."""
    plain = word.split(b"\0")[0]
    return FIRST if plain == b"-" else LAST if plain == b"+" else parse(word, missing)


def after(id: Id) -> Id:
    """The next ID; behind the greatest comes the least."""
    return (id[0], id[1] + 1) if id[1] < MOST else ((id[0] + 1) & MOST, 0)


def before(id: Id) -> Id:
    """The ID before; before the least comes the greatest."""
    return (id[0], id[1] - 1) if id[1] else ((id[0] - 1) & MOST, MOST)


def positive(word: bytes) -> int:
    """A COUNT, which Redis raises to 0 where it is negative. Refused where it is no integer."""
    return max(need_integer(word), 0)


REFERENCES = (b"KEEPREF", b"DELREF", b"ACKED")


# ---- adding and trimming

class Adding:
    """The options of XADD and XTRIM."""

    def __init__(self):
        self.maxlen: int | None = None
        self.minid: Id | None = None
        self.approximate = self.only_present = False
        self.limit: int | None = None
        self.references: bytes | None = None
        self.id: tuple[int, int | None] | None = None        # None: "*", of both parts or of the second


def adding_options(words: list[bytes], is_add: bool) -> tuple[Adding, list[bytes]]:
    """The options, and the words behind them and the ID. Refused for what does not go together."""
    how, at = Adding(), 0
    while at < len(words):
        word, more = words[at].upper(), at + 1 < len(words)
        if is_add and words[at] == b"*":
            break
        if more and word in (b"MAXLEN", b"MINID"):
            if how.maxlen is not None or how.minid is not None:
                raise Refused("ERR syntax error, MAXLEN and MINID options at the same time are not compatible")
            at += 1
            how.approximate = at + 1 < len(words) and words[at] == b"~"
            at += at + 1 < len(words) and words[at] in (b"~", b"=")
            if word == b"MINID":
                how.minid = parse(words[at])
            else:
                how.maxlen = need_integer(words[at])
                if how.maxlen < 0:
                    raise Refused("ERR The MAXLEN argument must be >= 0.")
        elif more and word == b"LIMIT":
            at += 1
            how.limit = need_integer(words[at])
            if how.limit < 0:
                raise Refused("ERR The LIMIT argument must be >= 0.")
        elif is_add and word == b"NOMKSTREAM":
            how.only_present = True
        elif word in REFERENCES and how.references is None:
            how.references = word
        elif is_add:
            how.id = new_id(words[at])
            break
        else:
            raise Refused(SYNTAX)
        at += 1
    trims = how.maxlen is not None or how.minid is not None
    if how.limit and not trims:
        raise Refused("ERR syntax error, LIMIT cannot be used without specifying a trimming strategy")
    if not is_add and not trims:
        raise Refused("ERR syntax error, XTRIM must be called with a trimming strategy")
    if how.limit is not None and not how.approximate:
        raise Refused("ERR syntax error, LIMIT cannot be used without the special ~ option")
    return how, words[at + 1:]


def new_id(word: bytes) -> tuple[int, int | None]:
    """XADD's ID, whose second part may be "*" (None). Refused for what is none."""
    plain = word.split(b"\0")[0]
    if plain.endswith(b"-*") and len(word) < 128:
        ms = number(plain[:-2])
        if ms is None:
            raise Refused(BAD_ID)
        return ms, None
    return parse(word)


def trim(value: Stream, how: Adding) -> int:
    """Remove the entries in front as the options say; returns how many. O(n log n)"""
    removed = 0
    if how.approximate or (how.maxlen is None and how.minid is None):
        return 0
    for id in value.ids():
        if (len(value.entries) <= how.maxlen) if how.maxlen is not None else (id >= how.minid):
            break
        if how.references == b"ACKED" and any(group.wants(id) for group in value.groups.values()):
            continue
        if how.references == b"DELREF":
            forget(value, id)
        del value.entries[id]
        removed += 1
    return removed


def forget(value: Stream, id: Id) -> None:
    """The entry is pending nowhere any more."""
    for group in value.groups.values():
        group.pending.pop(id, None)


@command("xadd", arity=-5)
def xadd(self: ModelSession, name, args):
    """XADD with all its options: the new entry's ID, or None with NOMKSTREAM where there is no stream. Refused for an ID that is
    not behind the last one."""
    how, pairs = adding_options(list(args[1:]), True)
    if len(pairs) < 2 or len(pairs) % 2:
        raise Refused("ERR wrong number of arguments for 'xadd' command")
    if how.id == FIRST:
        raise Refused("ERR The ID specified in XADD must be greater than 0-0")
    value = self.collection(args[0], Stream)
    if value is None and how.only_present:
        return None
    last = value.last if value is not None else FIRST
    if last == LAST:
        raise Refused("ERR The stream has exhausted the last possible ID, unable to add more items")
    if how.id is None:
        id = (self.now, 0) if self.now > last[0] else after(last)
    elif how.id[1] is None:
        id = (how.id[0], last[1] + 1 if how.id[0] == last[0] else 0)
    else:
        id = how.id
    if id <= last or id[1] > MOST:
        raise Refused("ERR The ID specified in XADD is equal or smaller than the target stream top item")
    value = self.new(args[0], Stream()) if value is None else value
    value.entries[id] = pairs
    value.last = id
    value.added += 1
    trim(value, how)
    return spelled(id)


@command("xtrim", arity=-4)
def xtrim(self, name, args):
    """XTRIM: how many entries went. Refused as adding_options says."""
    how, _ = adding_options(list(args[1:]), False)
    value = self.collection(args[0], Stream)
    return 0 if value is None else trim(value, how)


@command("xsetid", arity=-3)
def xsetid(self, name, args):
    """XSETID: change what a stream remembers of its past. Refused without a stream, and where it does not fit the entries."""
    id, rest = parse(args[1]), args[2:]
    added, max_deleted = -1, FIRST
    for word, given in zip(rest[::2], [*rest[1::2], None]):
        if given is None or word.upper() not in (b"ENTRIESADDED", b"MAXDELETEDID"):
            raise Refused(SYNTAX)
        if word.upper() == b"ENTRIESADDED":
            added = need_integer(given)
            if added < 0:
                raise Refused("ERR entries_added must be positive")
        else:
            max_deleted = parse(given)
            if id < max_deleted:
                raise Refused("ERR The ID specified in XSETID is smaller than the provided max_deleted_entry_id")
    value = self.collection(args[0], Stream)
    if value is None:
        raise Refused(NO_KEY)
    if id < value.max_deleted:
        raise Refused("ERR The ID specified in XSETID is smaller than current max_deleted_entry_id")
    if value.entries:
        if id < max(value.entries):
            raise Refused("ERR The ID specified in XSETID is smaller than the target stream top item")
        if added != -1 and added < len(value.entries):
            raise Refused("ERR The entries_added specified in XSETID is smaller than the target stream length")
    value.last = id
    value.added = value.added if added == -1 else added
    value.max_deleted = value.max_deleted if max_deleted == FIRST else max_deleted
    return OK


# ---- reading

@command("xlen", arity=2)
def xlen(self, name, args):
    """XLEN: the number of entries."""
    value = self.collection(args[0], Stream)
    return 0 if value is None else len(value.entries)


@command("xrange", "xrevrange", arity=-4)
def xrange(self, name, args):
    """XRANGE and XREVRANGE: the entries of a range, NULL_ARRAY for a COUNT of 0. Refused for bad ends. O(n log n)"""
    reverse = name == "xrevrange"
    start, end = bound(args[2 if reverse else 1], False), bound(args[1 if reverse else 2], True)
    count = -1
    for at in range(3, len(args), 2):
        if args[at].upper() != b"COUNT" or at + 1 == len(args):
            raise Refused(SYNTAX)
        count = positive(args[at + 1])
    value = self.collection(args[0], Stream)
    if value is None:
        return []
    if count == 0:
        return NULL_ARRAY
    ids = value.range(start, end)
    ids = ids[::-1] if reverse else ids
    return [value.entry(id) for id in (ids if count < 0 else ids[:count])]


@command("xdel", arity=-3)
def xdel(self, name, args):
    """XDEL: remove entries; returns how many there were. Refused for a bad ID, before anything is done."""
    value = self.collection(args[0], Stream)
    if value is None:
        return 0
    return sum([value.delete(id) for id in [parse(word) for word in args[1:]]])


def deleting_options(words: list[bytes]) -> tuple[bytes, list[bytes]]:
    """XDELEX's and XACKDEL's words: what becomes of references, and the words of the IDs. Refused for a number of IDs that does
    not fit."""
    references, ids, at = None, None, 0
    while at < len(words):
        word = words[at].upper()
        if word in REFERENCES and references is None:
            references = word
        elif word == b"IDS" and at + 1 < len(words):
            count = integer(words[at + 1])
            if count is None or count <= 0:
                raise Refused("ERR Number of IDs must be a positive integer")
            if count > len(words) - at - 2:
                raise Refused("ERR The `numids` parameter must match the number of arguments")
            ids = words[at + 2:at + 2 + count]
            at += 1 + count
        else:
            raise Refused(SYNTAX)
        at += 1
    if ids is None:
        raise Refused("ERR IDS option is required")
    return references or b"KEEPREF", ids


def delete_with(value: Stream, id: Id, references: bytes) -> int:
    """1 if the entry was removed, -1 if there was none, 2 if with ACKED somebody still wants it."""
    if references == b"ACKED" and any(group.wants(id) for group in value.groups.values()):
        return 2
    if references == b"DELREF":
        forget(value, id)
    return 1 if value.delete(id) else -1


@command("xdelex", arity=-5)
def xdelex(self, name, args):
    """XDELEX: for each ID what delete_with says; -1 for all without a stream."""
    value = self.collection(args[0], Stream)
    references, words = deleting_options(list(args[1:]))
    if value is None:
        return [-1] * len(words)
    return [delete_with(value, id, references) for id in [parse(word) for word in words]]


@command("xackdel", arity=-6)
def xackdel(self, name, args):
    """XACKDEL: for each ID -1 where it was not pending in the group, otherwise it is acknowledged: 1, or 2 if with ACKED somebody
    still wants the entry, which then stays."""
    value = self.collection(args[0], Stream)
    references, words = deleting_options(list(args[2:]))
    group = value.groups.get(args[1]) if value is not None else None
    if group is None:
        return [-1] * len(words)
    answers = []
    for id in [parse(word) for word in words]:
        if group.pending.pop(id, None) is None:
            answers.append(-1)
        else:
            answers.append(2 if delete_with(value, id, references) == 2 else 1)
    return answers


class Reading:
    """The options of XREAD and XREADGROUP."""

    def __init__(self, words: list[bytes], in_group: bool, now_ms: int):
        """Refused for what does not go together."""
        self.count, self.no_ack, self.group, self.consumer = 0, False, None, b""
        at, streams = 0, None
        while at < len(words):
            word, more = words[at].upper(), len(words) - at - 1
            if more and word == b"BLOCK":
                at += 1
                wait = integer(words[at])
                if wait is None:
                    raise Refused("ERR timeout is not an integer or out of range")
                if wait < 0:
                    raise Refused("ERR timeout is negative")
                if now_ms + wait >= 2**63:
                    raise Refused("ERR timeout is out of range")
            elif more and word == b"COUNT":
                at += 1
                self.count = positive(words[at])
            elif more and word == b"STREAMS":
                streams = words[at + 1:]
                if len(streams) % 2:
                    ids = "an ID or '>'" if in_group else "an ID, '+', or '$'"
                    raise Refused(f"ERR Unbalanced '{'xreadgroup' if in_group else 'xread'}' list of streams: for each stream key {ids} "
                                  "must be specified.")
                break
            elif (more >= 2 and word == b"GROUP") or word == b"NOACK":
                if not in_group:
                    raise Refused(f"ERR The {word.decode()} option is only supported by XREADGROUP. You called XREAD instead.")
                if word == b"GROUP":
                    self.group, self.consumer = words[at + 1:at + 3]
                    at += 2
                else:
                    self.no_ack = True
            else:
                raise Refused(SYNTAX)
            at += 1
        if streams is None:
            raise Refused(SYNTAX)
        if in_group and self.group is None:
            raise Refused("ERR Missing GROUP option for XREADGROUP")
        half = len(streams) // 2
        self.streams = list(zip(streams[:half], [word.split(b"\0")[0] for word in streams[half:]]))


def no_group(key: bytes, group: bytes, where: str = "") -> Refused:
    """The error of a group that is not there; it is returned, not raised."""
    return Refused(clean(b"NOGROUP No such key '%b' or consumer group '%b'" % (key.split(b"\0")[0], group.split(b"\0")[0])) + where.encode())


def check_streams(self, reading: Reading, in_group: bool) -> None:
    """All keys, groups and IDs before anything is done. Refused for the first that is wrong."""
    for key, word in reading.streams:
        value = self.collection(key, Stream)
        if in_group and (value is None or reading.group not in value.groups):
            raise no_group(key, reading.group, " in XREADGROUP with GROUP option")
        if word in (b"$", b"+"):
            if in_group:
                sign = word.decode()
                raise Refused(f"ERR The {sign} ID is meaningless in the context of XREADGROUP: you want to read the history of this consumer "
                              f"by specifying a proper ID, or use the > ID to get new messages. The {sign} ID would just return an empty "
                              "result set.")
        elif word == b">":
            if not in_group:
                raise Refused("ERR The > ID can be specified only when calling XREADGROUP using the GROUP <group> <consumer> option.")
        else:
            parse(word)


def found(self, streams: list[tuple[bytes, list]]):
    """What was read, by key: pairs in RESP2, a map in RESP3; NULL_ARRAY for nothing."""
    if not streams:
        return NULL_ARRAY
    return Map(tuple(streams)) if self.protocol == 3 else [list(pair) for pair in streams]


@command("xread", arity=-4)
def xread(self, name, args):
    """XREAD: the entries behind the IDs, by key; NULL_ARRAY where there are none. Refused as Reading and check_streams say."""
    reading = Reading(list(args), False, self.now)
    check_streams(self, reading, False)
    streams = []
    for key, word in reading.streams:
        value = self.collection(key, Stream)
        if value is None or not value.entries:
            continue
        newest = max(value.entries)
        start = value.last if word == b"$" else before(newest) if word == b"+" else parse(word)
        if newest > start:
            ids = value.range(after(start), LAST)
            streams.append((key, [value.entry(id) for id in (ids[:reading.count] if reading.count else ids)]))
    return found(self, streams)


def consumer_of(self, group: Group, name: bytes) -> Consumer:
    """The consumer of this name, made when there is none; it was seen now."""
    consumer = group.consumers.setdefault(name, Consumer(self.now))
    consumer.seen_ms = self.now
    return consumer


@command("xreadgroup", arity=-7)
def xreadgroup(self, name, args):
    """XREADGROUP: with ">" the entries that the group has not read, which are pending for the consumer from now on (unless NOACK);
    with an ID what is pending for it behind that. Refused as Reading and check_streams say."""
    reading = Reading(list(args), True, self.now)
    check_streams(self, reading, True)
    streams = []
    for key, word in reading.streams:
        value = self.collection(key, Stream)
        group = value.groups[reading.group]
        consumer = consumer_of(self, group, reading.consumer)
        start = LAST if word == b">" else parse(word)
        if start == LAST:
            if not value.entries or max(value.entries) <= group.last:
                continue
            ids = value.range(after(group.last), LAST)
            ids = ids[:reading.count] if reading.count else ids
            for id in ids:
                value.deliver(group, id)
                if not reading.no_ack:
                    group.pending[id] = Pending(reading.consumer, self.now)
                    consumer.active_ms = self.now
            streams.append((key, [value.entry(id) for id in ids]))
        else:
            history = [id for id in group.of(reading.consumer) if id >= after(start)]
            history = history[:reading.count] if reading.count else history
            for id in history:
                if id in value.entries:
                    group.pending[id].delivered_ms = self.now
                    group.pending[id].deliveries += 1
            streams.append((key, [value.entry(id) if id in value.entries else [spelled(id), NULL_ARRAY] for id in history]))
    return found(self, streams)


# ---- groups

def need_group(self, key: bytes, group: bytes) -> tuple[Stream, Group]:
    """A stream and its group. Refused where one is missing."""
    value = self.collection(key, Stream)
    if value is None or group not in value.groups:
        raise no_group(key, group)
    return value, value.groups[group]


def unknown_subcommand(container: str, word: bytes) -> Refused:
    """The error of words that fit no subcommand; it is returned, not raised."""
    return Refused(f"ERR unknown subcommand or wrong number of arguments for '".encode() + word.split(b"\0")[0][:128]
                   + f"'. Try {container} HELP.".encode())


def group_options(words: list[bytes], sub: bytes, may_make: bool) -> tuple[bool, int]:
    """MKSTREAM, and ENTRIESREAD. Refused for other words."""
    make, read, at = False, UNKNOWN, 0
    while at < len(words):
        if may_make and words[at].upper() == b"MKSTREAM":
            make = True
        elif at + 1 < len(words) and words[at].upper() == b"ENTRIESREAD":
            at += 1
            read = need_integer(words[at])
            if read < UNKNOWN:
                raise Refused("ERR value for ENTRIESREAD must be positive or -1")
        else:
            raise unknown_subcommand("XGROUP", sub)
        at += 1
    return make, read


ARITY = {b"create": -4, b"setid": -4, b"destroy": 3, b"createconsumer": 4, b"delconsumer": 4, b"stream": -2, b"groups": 2, b"consumers": 3}


def need_subcommand(container: str, args: list[bytes], known: tuple[bytes, ...]) -> bytes:
    """The subcommand, in lower case. Refused where there is no such one, or for its number of words."""
    sub = args[0].lower()
    if sub not in known:
        raise Refused(b"ERR unknown subcommand '%b'. Try %b HELP." % (args[0].split(b"\0")[0][:128], container.upper().encode()))
    arity = ARITY[sub]
    if len(args) != arity if arity > 0 else len(args) < -arity:
        raise Refused(b"ERR wrong number of arguments for '%b|%b' command" % (container.encode(), sub))
    return sub


@command("xgroup", arity=-2)
def xgroup(self, name, args):
    """XGROUP CREATE, SETID, DESTROY, CREATECONSUMER and DELCONSUMER. Refused without a stream, without a group where one must be, and
    for a group that is there already."""
    sub = need_subcommand("xgroup", args, (b"create", b"setid", b"destroy", b"createconsumer", b"delconsumer"))
    make, read = False, UNKNOWN
    if sub in (b"create", b"setid"):
        make, read = group_options(args[4:], args[0], sub == b"create")
    key, wanted = args[1:3]
    value = self.collection(key, Stream)
    if value is None and not make:
        raise Refused(NO_STREAM_FOR_GROUP)
    if sub == b"create":
        if len(args) > 7:
            raise unknown_subcommand("XGROUP", args[0])
        dollar = args[3].split(b"\0")[0] == b"$"
        id = (value.last if value is not None else FIRST) if dollar else parse(args[3])
        if value is not None and wanted in value.groups:
            raise Refused("BUSYGROUP Consumer Group name already exists")
        value = self.new(key, Stream()) if value is None else value
        value.groups[wanted] = Group(id, min(read, value.added))
        return OK
    group = value.groups.get(wanted)
    if group is None:
        if sub == b"destroy":
            return 0
        raise Refused(clean(b"NOGROUP No such consumer group '%b' for key name '%b'" % (wanted.split(b"\0")[0], key.split(b"\0")[0])))
    if sub == b"destroy":
        del value.groups[wanted]
        return 1
    if sub == b"setid":
        if len(args) not in (4, 6):
            raise unknown_subcommand("XGROUP", args[0])
        group.last = value.last if args[3].split(b"\0")[0] == b"$" else edge(args[3])
        group.entries_read = min(read, value.added)
        return OK
    if sub == b"createconsumer":
        if args[3] in group.consumers:
            return 0
        consumer_of(self, group, args[3])
        return 1
    pending = group.of(args[3])
    for id in pending:
        del group.pending[id]
    group.consumers.pop(args[3], None)
    return len(pending)


@command("xack", arity=-4)
def xack(self, name, args):
    """XACK: these entries are pending no more; returns how many were. Refused for a bad ID."""
    value = self.collection(args[0], Stream)
    group = value.groups.get(args[1]) if value is not None else None
    if group is None:
        return 0
    return sum([group.pending.pop(id, None) is not None for id in [parse(word) for word in args[2:]]])


@command("xpending", arity=-3)
def xpending(self, name, args):
    """XPENDING: a summary (how many, first, last, how many for each consumer), or with a range and a count a list of ID, consumer,
    idle time in ms and deliveries. Refused without the group."""
    if len(args) != 2 and not 5 <= len(args) <= 8:
        raise Refused(SYNTAX)
    least_idle, rest = 0, args[2:]
    if rest:
        if rest[0].upper() == b"IDLE":
            least_idle = need_integer(rest[1])
            if len(args) < 7:
                raise Refused(SYNTAX)
            rest = rest[2:]
        count = positive(rest[2])
        start, end = bound(rest[0], False), bound(rest[1], True)
    _, group = need_group(self, args[0], args[1])
    if not rest:
        ids = sorted(group.pending)
        if not ids:
            return [0, None, None, NULL_ARRAY]
        each = [[consumer, b"%d" % len(group.of(consumer))] for consumer in sorted(group.consumers) if group.of(consumer)]
        return [len(ids), spelled(ids[0]), spelled(ids[-1]), each]
    rows = []
    for id in sorted(group.pending) if len(rest) < 4 else group.of(rest[3]):
        pending = group.pending[id]
        idle = self.now - pending.delivered_ms
        if start <= id <= end and (not least_idle or idle >= least_idle):
            rows.append([spelled(id), pending.consumer, max(idle, 0), pending.deliveries])
    return rows[:count]


def invalid(option: str, name: str) -> str:
    """The error of a number that is none."""
    return f"ERR Invalid {option} argument for {name.upper()}"


@command("xclaim", arity=-6)
def xclaim(self, name, args):
    """XCLAIM with all its options: entries that have been pending for long enough are this consumer's from now on. Those that are not
    there any more are pending no more. Refused without the group, and for bad options."""
    value, group = need_group(self, args[0], args[1])
    least_idle = max(need_integer(args[3], invalid("min-idle-time", name)), 0)
    ids, at = [], 4
    while at < len(args):
        try:
            ids.append(parse(args[at]))
        except Refused:
            break
        at += 1
    delivered, retries, force, only_ids, last = -1, -1, False, False, FIRST
    while at < len(args):
        word, more = args[at].upper(), at + 1 < len(args)
        at += 1
        if word == b"FORCE":
            force = True
        elif word == b"JUSTID":
            only_ids = True
        elif more and word == b"IDLE":
            delivered = self.now - need_integer(args[at], invalid("IDLE option", name))
        elif more and word == b"TIME":
            delivered = need_integer(args[at], invalid("TIME option", name))
        elif more and word == b"RETRYCOUNT":
            retries = need_integer(args[at], invalid("RETRYCOUNT option", name))
        elif more and word == b"LASTID":
            last = parse(args[at])
        else:
            raise Refused(b"ERR Unrecognized XCLAIM option '%b'" % args[at - 1].split(b"\0")[0])
        at += word in (b"IDLE", b"TIME", b"RETRYCOUNT", b"LASTID")
    delivered = self.now if delivered < 0 or delivered > self.now else delivered
    consumer = consumer_of(self, group, args[2])
    group.last = max(group.last, last)
    claimed = []
    for id in ids:
        pending = group.pending.get(id)
        if id not in value.entries:
            group.pending.pop(id, None)
            continue
        if pending is None:
            if not force:
                continue
            pending = group.pending[id] = Pending(args[2], self.now)
        elif least_idle and self.now - pending.delivered_ms < least_idle:
            continue
        pending.consumer, pending.delivered_ms = args[2], delivered
        pending.deliveries = retries if retries >= 0 else pending.deliveries + (not only_ids)
        consumer.active_ms = self.now
        claimed.append(spelled(id) if only_ids else value.entry(id))
    return claimed


@command("xautoclaim", arity=-6)
def xautoclaim(self, name, args):
    """XAUTOCLAIM: where to go on, the entries that are this consumer's from now on, and the IDs of those that were pending and are
    not there any more. At most COUNT (100) of them, of ten times as many that are looked at. Refused as XCLAIM is."""
    least_idle = max(need_integer(args[3], invalid("min-idle-time", name)), 0)
    start = bound(args[4], False)
    count, only_ids, at = 100, False, 5
    while at < len(args):
        word = args[at].upper()
        if word == b"COUNT" and at + 1 < len(args):
            at += 1
            given = integer(args[at])
            if given is None or not 1 <= given <= (2**63 - 1) // 16:
                raise Refused("ERR COUNT must be > 0")
            count = given
        elif word == b"JUSTID":
            only_ids = True
        else:
            raise Refused(SYNTAX)
        at += 1
    value, group = need_group(self, args[0], args[1])
    consumer = consumer_of(self, group, args[2])
    attempts, claimed, gone = 10 * count, [], []
    ids = [id for id in sorted(group.pending) if id >= start]
    while ids and attempts and len(claimed) + len(gone) < count:
        attempts -= 1
        id = ids.pop(0)
        pending = group.pending[id]
        if id not in value.entries:
            del group.pending[id]
            gone.append(spelled(id))
        elif not least_idle or self.now - pending.delivered_ms >= least_idle:
            pending.consumer, pending.delivered_ms = args[2], self.now
            pending.deliveries += not only_ids
            consumer.active_ms = self.now
            claimed.append(spelled(id) if only_ids else value.entry(id))
    return [spelled(ids[0] if ids else FIRST), claimed, gone]


# ---- XINFO

def head(value: Stream) -> list[tuple[bytes, object]]:
    """What XINFO STREAM says of a stream in both forms. The two figures of a radix tree depend on an engine's blocks: here all
    entries are in one."""
    return [(b"length", len(value.entries)), (b"radix-tree-keys", int(bool(value.entries))), (b"radix-tree-nodes", 1 + bool(value.entries)),
            (b"last-generated-id", spelled(value.last)), (b"max-deleted-entry-id", spelled(value.max_deleted)),
            (b"entries-added", value.added), (b"recorded-first-entry-id", spelled(value.first()))]


def how_far(value: Stream, group: Group) -> list[tuple[bytes, object]]:
    """What XINFO says of how far a group has read."""
    return [(b"last-delivered-id", spelled(group.last)), (b"entries-read", None if group.entries_read == UNKNOWN else group.entries_read),
            (b"lag", value.lag(group))]


@command("xinfo", arity=-2)
def xinfo(self, name, args):
    """XINFO STREAM [FULL], GROUPS and CONSUMERS: Maps. Refused without a stream or a group."""
    sub = need_subcommand("xinfo", args, (b"stream", b"groups", b"consumers"))
    value = self.collection(args[1], Stream)
    if value is None:
        raise Refused(NO_KEY)
    if sub == b"groups":
        return [Map((*[(b"name", name), (b"consumers", len(group.consumers)), (b"pending", len(group.pending))], *how_far(value, group)))
                for name, group in sorted(value.groups.items())]
    if sub == b"consumers":
        if args[2] not in value.groups:
            raise Refused(clean(b"NOGROUP No such consumer group '%b' for key name '%b'"
                                % (args[2].split(b"\0")[0], args[1].split(b"\0")[0])))
        group = value.groups[args[2]]
        return [Map(((b"name", name), (b"pending", len(group.of(name))), (b"idle", max(self.now - consumer.seen_ms, 0)),
                     (b"inactive", -1 if consumer.active_ms == -1 else max(self.now - consumer.active_ms, 0))))
                for name, consumer in sorted(group.consumers.items())]
    ids = value.ids()
    if len(args) == 2:
        return Map((*head(value), (b"groups", len(value.groups)), (b"first-entry", value.entry(ids[0]) if ids else None),
                    (b"last-entry", value.entry(ids[-1]) if ids else None)))
    if args[2].upper() != b"FULL" or len(args) == 4 or len(args) > 5 or (len(args) == 5 and args[3].upper() != b"COUNT"):
        raise unknown_subcommand("XINFO", args[0])
    count = need_integer(args[4]) if len(args) == 5 else 10
    count = 10 if count < 0 else count or None
    return Map((*head(value), (b"entries", [value.entry(id) for id in ids[:count]]),
                (b"groups", [full_group(value, name, group, count) for name, group in sorted(value.groups.items())])))


def full_group(value: Stream, name: bytes, group: Group, count: int | None) -> Map:
    """A group as XINFO STREAM FULL shows it, with the first `count` of what is pending."""
    def rows(ids, with_consumer):
        return [[spelled(id), *([group.pending[id].consumer] if with_consumer else []), group.pending[id].delivered_ms,
                 group.pending[id].deliveries] for id in ids[:count]]

    consumers = [Map(((b"name", consumer), (b"seen-time", seen.seen_ms), (b"active-time", seen.active_ms),
                      (b"pel-count", len(group.of(consumer))), (b"pending", rows(group.of(consumer), False))))
                 for consumer, seen in sorted(group.consumers.items())]
    return Map(((b"name", name), *how_far(value, group), (b"pel-count", len(group.pending)),
                (b"pending", rows(sorted(group.pending), True)), (b"consumers", consumers)))
