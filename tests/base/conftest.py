"""A real Redis 8.2 to compare with."""
import pytest


class Oracle:
    """Sends commands and hands back raw replies: redis-py itself would turn scores into floats."""

    def __init__(self, supervisor):
        self.supervisor, self.generation = supervisor, None

    def ask_all(self, commands):
        """One reply a command; an error reply is an exception among them."""
        if self.generation != self.supervisor.generation:
            import redis
            self.generation, self.client = self.supervisor.generation, redis.Redis(self.supervisor.host, self.supervisor.port, protocol=2)
        pipe = self.client.pipeline(transaction=False)
        pipe.response_callbacks = {}
        for command in commands:
            pipe.execute_command(*command)
        return pipe.execute(raise_on_error=False)

    def ask(self, *command):
        reply = self.ask_all([command])[0]
        if isinstance(reply, Exception):
            raise reply
        return reply


@pytest.fixture(scope="module")
def oracle(oracle):
    return Oracle(oracle)
