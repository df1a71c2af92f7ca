"""A sanitizer's report fails the run, though it was said in a process whose output nobody reads, and all tests passed."""
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
FAULTS = r'''
#include <pthread.h>
#include <stdlib.h>
int fine(void) { return 1; }
int overflow(void) { volatile char *block = malloc(8); int past = block[8]; free((void *)block); return past; }
int overlong(void) { volatile int bits = 40; return 1 << bits; }
static int shared;
static void *add(void *unused) { for (int i = 0; i < 1000; i++) shared++; return unused; }
int race(void) {
    pthread_t one, two;
    pthread_create(&one, NULL, add, NULL); pthread_create(&two, NULL, add, NULL);
    pthread_join(one, NULL); pthread_join(two, NULL);
    return shared;
}
'''
SUITE = '''
import subprocess, sys
def test_in_a_process_of_its_own():
    subprocess.run([sys.executable, "-c", "import ctypes; ctypes.CDLL({library!r}).{fault}()"],
                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
'''


@pytest.mark.skipif("LD_PRELOAD" in os.environ, reason="a sanitizer is preloaded already")
@pytest.mark.parametrize("kind, fault, told", (
    ("address", "fine", None), ("address", "overflow", "heap-buffer-overflow"), ("address", "overlong", "hift exponent 40 is too large"),
    ("threads", "fine", None), ("threads", "race", "WARNING: ThreadSanitizer: data race")))
def test_no_report_is_swallowed(tmp_path, kind, fault, told):
    if not shutil.which("gcc"):
        pytest.skip("no gcc")
    library = tmp_path / "faults.so"
    (tmp_path / "faults.c").write_text(FAULTS)
    flags = {"address": "-fsanitize=address,undefined", "threads": "-fsanitize=thread"}[kind]
    built = subprocess.run(["gcc", "-g", "-fPIC", "-shared", flags, str(tmp_path / "faults.c"), "-o", str(library), "-lpthread"],
                           capture_output=True, text=True)
    if built.returncode:
        pytest.skip(f"this compiler has no sanitizers: {built.stderr}")
    (tmp_path / "lib").mkdir()
    (tmp_path / "test_fault.py").write_text(SUITE.format(library=str(library), fault=fault))
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST_", "CC"))}
    ran = subprocess.run([sys.executable, "tools/sanitized_tests.py", kind, str(tmp_path / "lib"), "-p", "no:cacheprovider", "-p", "no:xdist",
                          "-c", os.devnull, "--rootdir", str(tmp_path), str(tmp_path / "test_fault.py")],
                         cwd=ROOT, env=environment, capture_output=True, text=True, timeout=300)
    assert "1 passed" in ran.stdout, ran.stdout + ran.stderr
    if told is None:
        assert ran.returncode == 0 and "no reports" in ran.stdout, ran.stdout
    else:
        assert ran.returncode == 1 and told in ran.stdout, ran.stdout
