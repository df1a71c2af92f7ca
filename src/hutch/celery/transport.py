"""kombu's Redis transport, on a store of this process, or on one in a directory."""
from kombu.transport import redis as kombu_redis

import hutch
import redis

from ..watched import WatchedConnection
from .stores import connection_class_for, options_of, pool_for


class Channel(kombu_redis.Channel):
    """kombu's Redis channel, whose connections lead to a store of this process, or in a directory."""
    connection_class = WatchedConnection

    def _connparams(self, asynchronous=False):
        name, options = options_of(self.connection.client.hostname)
        channel = self

        kind = connection_class_for(name)

        class Watched(kind):
            def disconnect(self, *args, **kwargs):
                super().disconnect(*args, **kwargs)
                if channel._registered:
                    channel._on_connection_disconnect(self)

        return {"client_name": getattr(self, "client_name", None), "db": 0, **options, "name": name,
                "connection_class": Watched if asynchronous else kind}

    def _get_pool(self, asynchronous=False):
        options = self._connparams(asynchronous)
        self.keyprefix_fanout = self.keyprefix_fanout.format(db=options["db"])
        return pool_for(**options)

    def _get_client(self):
        client = super()._get_client()
        return hutch.Redis if client is redis.Redis else client      # with a key prefix, kombu's own class

    def _disconnect_pools(self):
        pools = self._pool, self._async_pool
        super()._disconnect_pools()
        for pool in pools:
            if pool is not None:
                pool.close()


class Transport(kombu_redis.Transport):
    """The transport of broker URLs hutch://name/database and hutch:///path: kombu's Redis transport on a store of this process, or
    in a directory."""

    Channel = Channel
    can_parse_url = True                 # a store's name is not a host's: capitals count
    driver_type = "hutch"
    driver_name = "hutch"

    @property
    def supports_batch_publish(self):
        """True: several messages may be published at once."""
        return True

    def driver_version(self):
        """Hutch's version."""
        return hutch.__version__

    def as_uri(self, uri, include_password=False, mask="**"):
        """The URL with its password replaced by `mask`, unless `include_password` asks for it."""
        if include_password or "@" not in uri:
            return uri
        scheme, _, rest = uri.partition("://")
        credentials, _, place = rest.rpartition("@")
        return f"{scheme}://{credentials.partition(':')[0]}:{mask}@{place}"
