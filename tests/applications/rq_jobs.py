"""What the jobs of test_rq.py do."""
from rq import get_current_job


def multiply(a, b):
    return a * b


def fail(text):
    raise ValueError(text)


def third_time_lucky():
    """Fails twice; how often is kept with the job."""
    job = get_current_job()
    job.meta["runs"] = job.meta.get("runs", 0) + 1
    job.save_meta()
    if job.meta["runs"] < 3:
        raise RuntimeError("not yet")
    return job.meta["runs"]
