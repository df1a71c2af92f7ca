"""What may be typed next, by the declarations: of Hutch, and of a real Redis."""
import pytest
from hypothesis import given, settings, strategies as st

from hutch.terminal.link import Link
from hutch.terminal.suggest import Place
from hutch.terminal.syntax import after, find, own_docs, read_docs
from hutch.terminal.target import Target

DOCS = own_docs()


def following(line, docs=DOCS):
    words = line.encode().split()
    command, used = find(docs, words)
    return after(command, words[used:])


@pytest.mark.parametrize("line, hint", [
    ("GET", "key"), ("GET k", ""), ("MGET a", "[key ...]"), ("HSET h f", "value [field value ...]"), ("HSET h f v", "[field value ...]"),
    ("SET k v EX", "seconds [NX | XX] [GET]"), ("SET k v EX 10 GET", "[NX | XX]"), ("SET k v bad", ""),
    ("ZADD z NX CH", "[GT | LT] [INCR] score member [score member ...]"), ("ZADD z 1 m", "[score member ...]"),
    ("XREAD COUNT 2", "[BLOCK milliseconds] STREAMS key [key ...] id [id ...]"), ("XREAD COUNT 2 STREAMS", "key [key ...] id [id ...]"),
    ("SORT k LIMIT 0", "count [BY pattern] [GET pattern [GET pattern ...]] [ASC | DESC] [ALPHA] [STORE destination]"),
    ("SORT k GET a", "[GET pattern ...] [BY pattern] [LIMIT offset count] [ASC | DESC] [ALPHA] [STORE destination]"),
    ("CONFIG SET a", "value [parameter value ...]"), ("GEOSEARCH g FROMMEMBER m BYRADIUS 1", "<M | KM | FT | MI> [ASC | DESC] [COUNT count [ANY]] "
                                                      "[WITHCOORD] [WITHDIST] [WITHHASH]"),
    ("EXPIRE k 10 NX", ""), ("LPOP k", "[count]"), ("get k", "")])
def test_hints(line, hint):
    assert following(line).hint == hint


def test_tokens_and_values():
    assert following("SET k v").tokens == ["NX", "XX", "GET", "EX", "PX", "EXAT", "PXAT", "KEEPTTL"]
    assert following("SET k v EX 3").tokens == ["NX", "XX", "GET"]
    assert [node.kind for node in following("MGET a").values] == ["key"]
    assert following("XADD x").tokens[-1] == "*" and [node.name for node in following("XADD x").values] == ["id"]
    assert [node.name for node in following("XADD x *").values] == ["field"]
    assert following("NOSUCH".replace("NOSUCH", "PING a b c")).tokens == []


def test_syntax_as_in_a_reference():
    assert DOCS["GET"].syntax == "GET key"
    assert DOCS["ZADD"].syntax == "ZADD key [NX | XX] [GT | LT] [CH] [INCR] score member [score member ...]"
    assert DOCS["CONFIG"].subcommands["CONFIG GET"].syntax == "CONFIG GET parameter [parameter ...]"


def test_docs_of_a_real_redis_are_read_in_both_protocols(oracle):
    found = []
    for protocol in (2, 3):
        with Link(Target(host=oracle.host, port=oracle.port), protocol) as link:
            found.append(read_docs(link.call("COMMAND", "DOCS")))
    assert {name: command.syntax for name, command in found[0].items()} == {name: command.syntax for name, command in found[1].items()}
    # What both have is said in the same way.
    same = [name for name in DOCS if name in found[0]]
    assert len(same) > 200
    different = [name for name in same if DOCS[name].arguments and DOCS[name].syntax != found[0][name].syntax]
    assert not different, [(DOCS[name].syntax, found[0][name].syntax) for name in different]


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(sorted(DOCS)), st.lists(st.sampled_from(
    [b"a", b"1", b"-1", b"1.5", b"*", b"GET", b"NX", b"COUNT", b"LIMIT", b"EX", b"STREAMS", b"", b"\xff", b"BY"]), max_size=12), st.data())
def test_any_words_after_any_command(name, words, data):
    command = DOCS[name]
    if command.subcommands:
        command = data.draw(st.sampled_from(sorted(command.subcommands.values(), key=lambda one: one.name)))
    found = after(command, words)
    assert isinstance(found.hint, str) and (found.hint or not found.tokens)


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(sorted(DOCS)), st.data())
def test_what_is_suggested_is_understood(name, data):
    """Whoever follows the suggestions never leaves the grammar, and comes to its end."""
    command = DOCS[name]
    if command.subcommands:
        command = data.draw(st.sampled_from(sorted(command.subcommands.values(), key=lambda one: one.name)))
    words = []
    for _ in range(8):
        found = after(command, words)
        if not found.tokens and not found.values:
            break
        choices = [token.encode().replace(b'""', b"") for token in found.tokens] + [
            b"1" if node.kind in ("integer", "double", "unix-time") else b"word" for node in found.values]
        words.append(data.draw(st.sampled_from(choices)))
        assert (found := after(command, words)).hint is not None
        assert found.tokens or found.values or not found.hint, (command.syntax, words, found)


def test_many_words_are_no_problem():
    assert following("MSET " + "k v " * 300).hint == "[key value ...]"
    assert following("MSET " + "k v " * 5000).hint == "[key value ...]"


def test_where_the_cursor_is():
    place = Place('SET "my ke')
    assert (place.words, place.prefix, place.quoted, place.typed) == ([b"SET"], b"my ke", True, '"my ke')
    place = Place("GET ")
    assert (place.words, place.prefix, place.typed) == ([b"GET"], b"", "")
    place = Place("ge")
    assert (place.words, place.prefix, place.typed) == ([], b"ge", "ge")
    place = Place('GET "a b" ')
    assert (place.words, place.partial) == ([b"GET", b"a b"], None)
