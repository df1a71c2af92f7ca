"""The declarations, the tools that make the command table of them, and the compiled table.

Redis is asked what it says of every command; all of it has to agree but the summaries, which are our own, and
the order of subcommands, which in Redis is that of a hash table.
"""
import io
import re
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, strategies as st

from kit.oracle import MISSING, RedisServer, find_oracle

ROOT = Path(__file__).resolve().parents[2]
TOOLS = ROOT / "tools"
DECLARATIONS = ROOT / "engine/hutch_engine/commands"
sys.path.insert(0, str(TOOLS))

import command_table                                                        # noqa: E402
import declarations                                                         # noqa: E402
from shims import command_table as compiled                                 # noqa: E402

FULL_NAMES = {row["name"].decode() for row in compiled.everything()}
# Valkey's, and a module's (tests/commands/test_json_oracle.py)
NOT_REDIS_S = {"script|show"} | {name for name in FULL_NAMES if name.startswith("json.")}
SHARED_NAMES = FULL_NAMES - NOT_REDIS_S
TOP_NAMES = {row["name"].decode() for row in compiled.top_level()}


# ---- Replies, with their types kept ----

def parse(file):
    """(mark, payload): the mark of RESP; of an aggregate the payload is the list of its parts."""
    line = file.readline().rstrip(b"\r\n").decode()
    mark, rest = line[0], line[1:]
    if mark == "$":
        return (mark, file.read(int(rest) + 2)[:-2].decode())
    if mark in "*~%":
        return (mark, [parse(file) for _ in range(int(rest) * (2 if mark == "%" else 1))])
    assert mark in "+:_-", line
    return (mark, rest)


def parse_bytes(data):
    file = io.BytesIO(data)
    values = []
    while file.tell() < len(data):
        values.append(parse(file))
    return values


def plain_info(reply, known):
    """An element of COMMAND INFO, its subcommands in order of name, those we do not know left out."""
    mark, parts = reply
    subs_mark, subs = parts[9]
    subs = sorted((plain_info(sub, known) for sub in subs if sub[1][0][1] in known), key=lambda sub: sub[1][0])
    return (mark, [*parts[:9], (subs_mark, subs)])


def plain_docs(reply, known):
    """The map of COMMAND DOCS likewise, and without the summary."""
    mark, parts = reply
    pairs = []
    for (_, key), value in zip(parts[::2], parts[1::2]):
        if key == "summary":
            assert value[0] == "$" and value[1]
            value = "ours"
        elif key == "subcommands":
            value = (value[0], sorted((name[1], plain_docs(docs, known)) for name, docs
                                      in zip(value[1][::2], value[1][1::2]) if name[1] in known))
        pairs.append((key, value))
    return (mark, pairs)


# ---- The oracle ----

class Redis:
    def __init__(self, port):
        self.port = port
        self.files = {}
        for protocol in (2, 3):
            self.files[protocol] = socket.create_connection(("127.0.0.1", port)).makefile("rwb")
            self.call(protocol, "HELLO", str(protocol))

    def call(self, protocol, *words):
        file = self.files[protocol]
        file.write(b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%s\r\n" % (len(w), w.encode()) for w in words))
        file.flush()
        return parse(file)


@pytest.fixture(scope="module")
def redis():
    binary = find_oracle()
    if binary is None:
        pytest.skip(MISSING)
    with RedisServer(binary) as server:
        yield Redis(server.port)


@pytest.mark.parametrize("protocol", (2, 3))
def test_command_info_is_what_redis_says(redis, protocol):
    for row in (row for row in compiled.everything() if row["name"].decode() not in NOT_REDIS_S):
        ours, = parse_bytes(row["info"][protocol - 2])
        theirs = redis.call(protocol, "COMMAND", "INFO", row["name"].decode())[1][0]
        assert plain_info(ours, SHARED_NAMES) == plain_info(theirs, SHARED_NAMES)


@pytest.mark.parametrize("protocol", (2, 3))
def test_command_docs_are_what_redis_says_but_for_the_summary(redis, protocol):
    for row in (row for row in compiled.everything() if row["name"].decode() not in NOT_REDIS_S):
        ours = parse_bytes(row["docs"][protocol - 2])
        theirs = redis.call(protocol, "COMMAND", "DOCS", row["name"].decode())[1]
        assert ours[0] == theirs[0]
        assert plain_docs(ours[1], SHARED_NAMES) == plain_docs(theirs[1], SHARED_NAMES)


def test_summaries_are_our_own(redis):
    for command in command_table.numbered(declarations.load(DECLARATIONS)):
        if command.fullname in NOT_REDIS_S:
            continue
        docs = redis.call(3, "COMMAND", "DOCS", command.fullname)[1][1][1]
        assert docs[0] == ("$", "summary") and docs[1][1] != command.summary, command.name


def imported(redis, group):
    """What tools/import_declarations.py prints of a group, with summaries and reply shapes filled in."""
    run = subprocess.run([sys.executable, str(TOOLS / "import_declarations.py"), "--port", str(redis.port),
                          "--module", "commands.some", "--group", group], capture_output=True, text=True, check=True)
    return run.stdout.replace('summary    = ""', 'summary    = "Some."').replace(
        "reply      = []", 'reply      = ["simple"]')


def test_every_command_of_redis_survives_the_import(redis, tmp_path):
    """Families that are still to come: what the importer writes gives back Redis's replies."""
    everything = redis.call(3, "COMMAND", "DOCS")[1]
    groups = {dict((pair[0], pair[1][1]) for pair in plain_docs(docs, set())[1] if pair[0] == "group")["group"]
              for docs in everything[1::2]} - {"module"}
    for group in sorted(groups):
        (tmp_path / f"{group}.toml").write_text(imported(redis, group), encoding="utf-8")
    commands = declarations.load(tmp_path)
    assert len(commands) > 200
    known = {command.fullname for command in command_table.numbered(commands)}
    for command in command_table.numbered(commands):
        for protocol in (2, 3):
            info = redis.call(protocol, "COMMAND", "INFO", command.fullname)[1][0]
            ours, = parse_bytes(command_table.encode(command_table.info_reply(command), protocol))
            assert plain_info(ours, known) == plain_info(info, known)
            docs = redis.call(protocol, "COMMAND", "DOCS", command.fullname)[1][1]
            ours, = parse_bytes(command_table.encode(command_table.docs_reply(command), protocol))
            assert plain_docs(ours, known) == plain_docs(docs, known)
    # The hash and the C of so many commands hold as well.
    names = [command.fullname for command in commands]
    seed, displacements, slots = command_table.perfect_hash(names)
    for i, name in enumerate(names):
        hashed = command_table.name_hash(name, seed)
        place = ((hashed >> 32) + displacements[hashed % len(displacements)]) % len(slots)
        assert slots[place] == i
    assert "@" + "COMMAND_ROWS" not in command_table.render_table(commands)


# ---- The compiled table ----

def test_the_table_holds_what_is_declared():
    commands = declarations.load(DECLARATIONS)
    rows = compiled.everything()
    assert [row["name"].decode() for row in compiled.top_level()] == [command.fullname for command in commands]
    everything = command_table.numbered(commands)
    assert len(rows) == len(everything)
    for i, (row, command) in enumerate(zip(rows, everything)):
        assert row["id"] == i
        assert row["name"].decode() == command.fullname
        assert row["short_name"].decode() == command.fullname.rpartition("|")[2]
        assert row["lengths"] == (len(row["name"]), len(row["short_name"]))
        assert row["arity"] == command.arity
        assert row["legacy_keys"] == command.legacy_keys
        assert [name.decode() for name in row["subcommands"]] == [sub.fullname for sub in command.subcommands]
        container = command.fullname.partition("|")[0].encode() if "|" in command.fullname else None
        assert row["parent"] == container
        assert len(row["key_specs"]) == len(command.keys)


def enumerators(prefix):
    text = (DECLARATIONS / "command.pxd").read_text()
    return {name: int(bit) for name, bit in re.findall(rf"^    {prefix}_(\w+) = 1(?:ULL)? << (\d+)", text, re.M)}


def test_bits_are_those_of_the_contract():
    flags = {**declarations.FLAGS, **declarations.HIDDEN_FLAGS}
    flags["movable_keys"] = flags.pop("movablekeys")
    assert {name.upper(): bit for name, bit in flags.items()} == enumerators("CMD")
    assert {name.upper(): bit for bit, name in enumerate(declarations.ACL_CATEGORIES)} == enumerators("ACL")
    assert {name.upper(): bit for bit, name in enumerate(declarations.KEY_FLAGS)} == enumerators("KEY")
    rows = {row["name"]: row for row in compiled.everything()}
    get, scan = rows[b"get"], rows[b"scan"]
    assert get["flags"] == 1 << enumerators("CMD")["READONLY"] | 1 << enumerators("CMD")["FAST"]
    assert get["acl"] == sum(1 << enumerators("ACL")[name] for name in ("READ", "STRING", "FAST"))
    assert scan["flags"] & 1 << enumerators("CMD")["TOUCHES_ARBITRARY_KEYS"]
    assert get["key_specs"] == [dict(
        flags=1 << enumerators("KEY")["RO"] | 1 << enumerators("KEY")["ACCESS"], begin_kind=1, begin_index=1,
        begin_keyword=None, begin_from=0, find_kind=1, last_key=0, limit=0, keynum_index=0, first_key=0, key_step=1)]


def test_categories_and_key_flags_have_their_names(redis):
    ours = [compiled.acl_category_name(bit).decode() for bit in range(len(declarations.ACL_CATEGORIES))]
    assert ours == [name for _, name in redis.call(3, "ACL", "CAT")[1]]
    assert compiled.acl_category_name(len(ours)) is None
    for bit, name in enumerate(ours):
        assert compiled.acl_category(name.title().encode()) == 1 << bit
    assert compiled.acl_category(b"keyspaces") == compiled.acl_category(b"") == 0
    names = [compiled.key_flag_name(bit).decode() for bit in range(len(declarations.KEY_FLAGS))]
    assert names == declarations.KEY_FLAGS
    assert compiled.key_flag_name(len(names)) is None


@pytest.mark.parametrize("name", sorted(FULL_NAMES))
def test_every_command_is_found_in_any_case(name):
    words = name.encode().split(b"|")
    for form in (bytes.lower, bytes.upper, bytes.title):
        if len(words) == 1:
            assert compiled.find(form(words[0])) == name.encode()
        else:
            assert compiled.find_subcommand(words[0], form(words[1])) == name.encode()
            assert compiled.find(form(name.encode())) is None


near_misses = st.sampled_from(sorted(TOP_NAMES)).flatmap(lambda name: st.tuples(
    st.just(name.encode()), st.integers(0, len(name) - 1), st.integers(0, 255)).map(
        lambda t: t[0][:t[1]] + bytes([t[2]]) + t[0][t[1] + 1:]))


@given(st.one_of(near_misses, st.binary(max_size=30), st.sampled_from(sorted(TOP_NAMES)).map(str.encode)))
def test_nothing_else_is_found(name):
    lower = bytes(byte + 32 if 65 <= byte <= 90 else byte for byte in name)
    known = lower in {name.encode() for name in TOP_NAMES}
    assert compiled.find(name) == (lower if known else None)


# ---- Mistakes ----

GOOD = """
[GETEX]
summary  = "Read a value and change its time to live."
group    = "string"
since    = "6.2.0"
arity    = -2
flags    = ["write", "fast"]
acl      = ["string"]
handler  = "commands.string.cmd_getex"
reply    = { resp2 = ["bulk", "nil"], resp3 = ["bulk", "null"] }
keys     = [{ flags = ["RW", "access"], begin = { index = 1 }, find = { last = 0 } }]
arguments = [{ name = "key", type = "key", key_spec = 0 }]
"""


@pytest.mark.parametrize("old, new, complaint", [
    ("summary ", "sumary ", "unknown key sumary"),
    ('since    = "6.2.0"', "", "since is missing"),
    ('"6.2.0"', '"6.2"', "since must be a version"),
    ('"Read a value and change its time to live."', '" "', "summary is empty"),
    ("arity    = -2", "arity    = 0", "arity counts the name"),
    ("arity    = -2", "arity    = -1", "beyond arity"),
    ("arity    = -2", "arity    = true", "arity must be of type int"),
    ('group    = "string"', 'group    = "strings"', "group 'strings'"),
    ('["write", "fast"]', '["write", "quick"]', "flags: 'quick'"),
    ('["write", "fast"]', '["write", "readonly"]', "exclude each other"),
    ('["write", "fast"]', '["write", "write"]', "twice"),
    ('acl      = ["string"]', 'acl      = ["string", "fast"]', "implied"),
    ('"commands.string.cmd_getex"', '"commands.string.cmd_get"', "must be cmd_getex"),
    ('"commands.string.cmd_getex"', '"getex"', "must look like"),
    ('handler  = "commands.string.cmd_getex"', "", "needs a handler"),
    ('resp2 = ["bulk", "nil"], ', "", "no shape for resp2"),
    ('resp2 = ["bulk", "nil"]', 'resp2 = ["map"]', "resp2: 'map'"),
    ('["RW", "access"]', '["access"]', "exactly one of"),
    ("begin = { index = 1 }", "begin = { index = 0 }", "at least 1"),
    ("begin = { index = 1 }", "begin = { indx = 1 }", "unknown key indx"),
    ("find = { last = 0 }", "find = { last = 0, limit = 2 }", "limit goes with"),
    ("find = { last = 0 }", "find = { keynum = 1, first = 1 }", "follow their number"),
    ("key_spec = 0", "key_spec = 1", "no keys[1]"),
    ('type = "key"', 'type = "keys"', "type 'keys'"),
    ('type = "key"', 'type = "block"', "hold arguments"),
    ("[GETEX]", "[GetEx]", "upper-case"),
    ("[GETEX]", '["NONE GETEX"]', "no NONE"),
    ("arguments =", 'deprecated_since = "7.0.0"\narguments =', "belong together"),
])
def test_a_mistake_names_its_file_and_command(tmp_path, old, new, complaint):
    assert old in GOOD
    if "NONE" in new:
        text = GOOD.replace(old, new).replace("cmd_getex", "cmd_none_getex")
    else:
        text = GOOD.replace(old, new)
    (tmp_path / "good.toml").write_text(GOOD)
    declarations.load(tmp_path)
    (tmp_path / "good.toml").unlink()
    (tmp_path / "family.toml").write_text(text)
    with pytest.raises(declarations.DeclarationError) as error:
        declarations.load(tmp_path)
    assert complaint in str(error.value)
    assert "family.toml" in str(error.value) and "GETEX" in str(error.value).upper()


def test_a_command_is_declared_once(tmp_path):
    for name in ("a.toml", "b.toml"):
        (tmp_path / name).write_text(GOOD)
    with pytest.raises(declarations.DeclarationError, match="b.toml, GETEX: declared already in a.toml"):
        declarations.load(tmp_path)


def test_broken_toml_names_its_file(tmp_path):
    (tmp_path / "a.toml").write_text("[GET")
    with pytest.raises(declarations.DeclarationError, match="a.toml"):
        declarations.load(tmp_path)


def test_files_are_written_only_when_they_change(tmp_path):
    commands = tmp_path / "commands"
    commands.mkdir()
    (commands / "string.toml").write_text(GOOD)
    (commands / "string.pxd").write_text("cdef void cmd_getex(Call* call) noexcept nogil\n")
    table, handlers = tmp_path / "command_table.pyx", tmp_path / "command_handlers.pyx"
    command_table.generate(commands, table)
    assert "install(0, cmd_getex)" in handlers.read_text()
    before = table.stat().st_mtime_ns, handlers.stat().st_mtime_ns
    command_table.generate(commands, table)
    assert before == (table.stat().st_mtime_ns, handlers.stat().st_mtime_ns)
    command_table.generate(commands, table, handlers=False)
    assert not handlers.exists()


def test_a_missing_handler_is_an_error_unless_allowed(tmp_path):
    commands = tmp_path / "commands"
    commands.mkdir()
    (commands / "string.toml").write_text(GOOD)
    with pytest.raises(declarations.DeclarationError, match="cmd_getex is not declared in commands/string.pxd"):
        command_table.generate(commands, tmp_path / "command_table.pyx")
    command_table.generate(commands, tmp_path / "command_table.pyx", handlers="present")
    assert "cmd_getex" not in (tmp_path / "command_handlers.pyx").read_text()
