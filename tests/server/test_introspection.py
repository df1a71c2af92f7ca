"""COMMAND: names, key extraction and filters as Redis has them."""
SAME = [
    "COMMAND foo", "COMMAND HELP", "COMMAND COUNT x", "COMMAND GETKEYS", "COMMAND GETKEYS get", "COMMAND GETKEYS get a",
    "COMMAND GETKEYS mset a b c d", "COMMAND GETKEYS ping", "COMMAND GETKEYS nosuch a", "COMMAND GETKEYS set a",
    "COMMAND GETKEYSANDFLAGS set a b", "COMMAND GETKEYSANDFLAGS mset a b c d", "COMMAND GETKEYSANDFLAGS ping",
    "COMMAND GETKEYS object encoding a", "COMMAND GETKEYS object foo", "COMMAND LIST FILTERBY foo x",
    "COMMAND LIST FILTERBY", "COMMAND LIST FILTERBY ACLCAT foo", "COMMAND LIST FILTERBY MODULE foo", "COMMAND LIST foo",
    "COMMAND LIST FILTERBY PATTERN getr*", "COMMAND INFO nosuch", "COMMAND INFO get nosuch", "COMMAND DOCS nosuch",
]


def test_same_words(same_as_redis):
    same_as_redis(*SAME)


def test_info_of_subcommands(client):
    one, other = client.run([["COMMAND", "INFO", "client|list"], ["COMMAND", "INFO", "CLIENT|LIST"]])
    assert one.raw == other.raw and one.value[0][0] == b"client|list"


def test_counts_agree(client):
    count, names, everything = client.run([["COMMAND", "COUNT"], ["COMMAND", "LIST"], ["COMMAND"]])
    assert count.value == len(names.value) == len(everything.value) > 60
    assert {entry[0] for entry in everything.value} == set(names.value)
