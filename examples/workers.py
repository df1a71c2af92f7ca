"""What the examples with worker processes share: a Hutch server in this program, and a worker of a real kind beside it.

    with served(sys.executable, "-m", "celery", "-A", "celery_jobs", "worker") as url: ...
"""
import contextlib
import os
import subprocess
import sys
from pathlib import Path

import hutch

HERE = Path(__file__).resolve().parent
PYTHON = sys.executable


@contextlib.contextmanager
def served(*command, quiet=True):
    """The URL of a server that lasts as long as the block; the command runs beside it, with that URL in $HUTCH_URL and at {url}."""
    with hutch.Server(port=0) as server:
        path = os.pathsep.join(filter(None, (str(HERE), os.environ.get("PYTHONPATH"))))
        worker = subprocess.Popen([word.format(url=server.url) for word in command], cwd=HERE, stdin=subprocess.DEVNULL,
                                  stdout=subprocess.DEVNULL if quiet else None, stderr=subprocess.DEVNULL if quiet else None,
                                  env={**os.environ, "HUTCH_URL": server.url, "PYTHONPATH": path})
        try:
            yield server.url
        finally:
            worker.terminate()
            try:
                worker.wait(20)
            except subprocess.TimeoutExpired:
                worker.kill()
                worker.wait()
