"""redis-py over TCP without its rest between two tries, which takes seconds where a test wants the failure."""
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry


def retry_at_once(times=3):
    """As redis-py's own Retry, which tries three times again."""
    return Retry(NoBackoff(), times)


def client_that_tries_once(port, **options):
    return redis.Redis(port=port, retry=retry_at_once(0), **options)


def shut_down(port):
    """Ask the server to end; redis-py would try again, as the connection ends without a reply."""
    client_that_tries_once(port).shutdown(nosave=True)
