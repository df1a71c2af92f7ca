"""The tools and files that are none: empty, of something else, without room. What they say, how they end, and that nothing is harmed."""
import os
import subprocess
import sys

import pytest

from hutch.tools.check import check

JSON_LINE = b'{"key":"a","type":"string","value":"x"}\n'


def hutch(*words, **options):
    """Run the command `hutch`."""
    return subprocess.run([sys.executable, "-m", "hutch", *map(str, words)], stderr=subprocess.PIPE,
                          **{"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, **options})


def test_an_empty_rdb_file_cannot_be_loaded(tmp_path, capsys):
    dump = tmp_path / "dump.rdb"
    dump.write_bytes(b"")
    for path in (dump, tmp_path):
        assert check(str(path)) == 1
    told = capsys.readouterr().out
    assert "can be loaded" not in told and told.count("REFUSED") == 2
    done = hutch("inspect", dump)
    assert done.returncode == 2 and b"no RDB file" in done.stderr


@pytest.mark.parametrize("what", [JSON_LINE, b"\x1f\x8b\x08", bytes(range(100, 200)), b"  \n"])
def test_what_is_no_log_is_not_cut(tmp_path, capsys, what):
    path = tmp_path / "keys"
    path.write_bytes(what)
    before = path.read_bytes()
    assert check(str(path), fix=True, yes=True) == 1 and path.read_bytes() == before
    assert "neither an RDB file nor a log" in capsys.readouterr().out


@pytest.mark.parametrize("name, said", [("strings", "string"), ("Hashes", "hash")])
def test_a_type_that_is_a_slip_is_refused(tmp_path, name, said):
    lines = tmp_path / "a.jsonl"
    lines.write_bytes(JSON_LINE)
    done = hutch("diff", lines, lines, "--type", name)
    assert done.returncode == 2 and f"{said} is one".encode() in done.stderr
    assert hutch("diff", lines, lines, "--type", "ReJSON-RL", "--type", "graphdata", "--type", "STRING").returncode == 0


def test_a_target_without_a_directory_is_named_as_it_was_given(tmp_path):
    lines = tmp_path / "a.jsonl"
    lines.write_bytes(JSON_LINE)
    for ending in ("rdb", "jsonl"):
        target = tmp_path / "none" / f"x.{ending}"
        done = hutch("convert", lines, target)
        assert done.returncode == 2 and str(target).encode() in done.stderr and b".hutch-" not in done.stderr


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="Linux has it")
def test_without_room_for_the_answer(tmp_path):
    lines = tmp_path / "a.jsonl"
    lines.write_bytes(JSON_LINE)
    dump = tmp_path / "a.rdb"
    assert hutch("convert", lines, dump).returncode == 0
    for words in (("check", dump), ("diff", lines, dump, "--json"), ("convert", lines, "-")):
        with open("/dev/full", "w") as full:
            done = hutch(*words, stdout=full)
        assert done.returncode == 2 and b"No space left" in done.stderr and b"Traceback" not in done.stderr, (words, done.stderr)


def test_whoever_reads_may_have_enough(tmp_path):
    lines = tmp_path / "a.jsonl"
    lines.write_bytes(b"".join(b'{"key":"%d","type":"string","value":"%s"}\n' % (at, b"x" * 1000) for at in range(500)))
    read, write = os.pipe()
    os.close(read)
    for words in (("convert", lines, "-"), ("inspect", lines), ("check", lines)):
        done = hutch(*words, stdout=write)
        assert done.returncode and not done.stderr.strip().endswith(b"Error") and b"Traceback" not in done.stderr, (words, done.stderr)
    os.close(write)


@pytest.mark.parametrize("words, closed", [("cli :memory: PING", ">&-"), ("version", "<&- >&- 2>&-"), ("inspect {}", ">&- 2>&-")])
def test_without_standard_streams(tmp_path, words, closed):
    lines = tmp_path / "a.jsonl"
    lines.write_bytes(JSON_LINE)
    done = subprocess.run(["sh", "-c", f'"{sys.executable}" -m hutch {words.format(lines)} {closed}'], capture_output=True)
    assert done.returncode == 0 and b"rror" not in done.stderr, done.stderr
