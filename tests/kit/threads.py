"""Running something in many threads at once."""
import threading

THREADS = 10


def run_in_threads(work, count=THREADS):
    errors = []

    def guarded(i):
        try:
            work(i)
        except BaseException as error:       # noqa: B902 - a thread's failure has to reach the test
            errors.append(error)

    threads = [threading.Thread(target=guarded, args=(i,)) for i in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors, errors[0]
