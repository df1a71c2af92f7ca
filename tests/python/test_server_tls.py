"""hutch.Server(tls=...): the words of Python's ssl for what redis.conf calls otherwise."""
import ssl

import pytest
import redis

import hutch
from kit.certificates import Authority
from kit.oracle import free_port


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    made = Authority(tmp_path_factory.mktemp("tls"))
    made.server = made.issue("server")
    made.client = made.issue("client")
    return made


def reached(url, authority, certificate=None, **options):
    if certificate:
        options.update(ssl_certfile=certificate[0], ssl_keyfile=certificate[1])
    with redis.Redis.from_url(url, ssl_ca_certs=str(authority.file), retry=None, **options) as client:
        return client.ping()


def test_tls_alone(authority):
    with hutch.Server(port=0, tls=hutch.TLS(*authority.server)) as server:
        assert server.url == f"rediss://127.0.0.1:{server.port}/0" and server.port == server.tls_port and server.host == "127.0.0.1"
        assert reached(server.url, authority)
        server.client().set("k", "v")            # the same store, without a socket
        with redis.Redis.from_url(server.url, ssl_ca_certs=str(authority.file)) as client:
            assert client.get("k") == b"v"
        with pytest.raises(redis.ConnectionError), redis.Redis(port=server.port, retry=None) as plain:
            plain.ping()
        first = server.port
        server.stop()
        assert not server.running and server.tls_port == first
        server.start()
        assert reached(server.url, authority)


def test_both(authority):
    with hutch.Server(port=0, tls_port=0, tls={"certfile": authority.server[0], "keyfile": authority.server[1]}, password="p w") as server:
        assert server.url == f"redis://:p%20w@127.0.0.1:{server.port}/0" and server.port != server.tls_port
        assert redis.Redis.from_url(server.url).ping()
        assert reached(f"rediss://:p%20w@127.0.0.1:{server.tls_port}", authority)


def test_one_file(authority, tmp_path):
    together = tmp_path / "both.pem"
    together.write_text("".join(open(name).read() for name in authority.server))
    for tls in (together, str(together)):
        with hutch.Server(port=0, tls=tls) as server:
            assert reached(server.url, authority)


def test_clients_and_versions(authority):
    tls = hutch.TLS(*authority.server, cafile=authority.file, minimum_version=ssl.TLSVersion.TLSv1_3)
    with hutch.Server(port=0, tls=tls) as server:
        assert reached(server.url, authority, authority.client)
        with pytest.raises(redis.ConnectionError):
            reached(server.url, authority)
    tls = hutch.TLS(*authority.server, cafile=authority.file, verify_mode=ssl.CERT_OPTIONAL)
    with hutch.Server(port=0, tls=tls) as server:
        assert reached(server.url, authority) and reached(server.url, authority, authority.client)
    assert hutch.TLS("x", minimum_version=ssl.TLSVersion.TLSv1_1).parameters()["tls-protocols"] == "TLSv1.1 TLSv1.2 TLSv1.3"


def test_parameters_of_redis_conf(authority):
    with hutch.Server(port=0, tls_port=free_port(), tls_cert_file=authority.server[0], tls_key_file=authority.server[1], tls_auth_clients=False,
                      save="") as server:
        server.client().config_set("tls-port", 0)
        assert server.tls_port == 0 and server.url.startswith("redis://")


def test_mistakes(authority, tmp_path):
    for wrong in (5, object()):
        with pytest.raises(TypeError):
            hutch.Server(port=0, tls=wrong)
    with pytest.raises(TypeError):
        hutch.Server(port=0, tls={"certificate": "x"})
    with pytest.raises(ValueError):
        hutch.Server(port=0, tls=hutch.TLS("x", verify_mode=7))
    locked = authority.issue("locked", password="secret")
    server = hutch.Server(port=0, tls=hutch.TLS(*locked))
    with pytest.raises(OSError, match="Failed to load private key"):
        server.start()
    assert not server.running
    with hutch.Server(port=0, tls=hutch.TLS(*locked, password="secret")) as server:
        assert reached(server.url, authority)
    with pytest.raises(OSError, match="Failed to load certificate"):
        hutch.Server(port=0, tls=tmp_path / "nowhere").start()


def test_a_store_in_a_directory(authority, tmp_path):
    store = hutch.SharedStore(tmp_path / "store")
    with hutch.Server(store, port=0, tls=hutch.TLS(*authority.server)) as server:
        assert reached(server.url, authority)
    with hutch.Redis(store=store) as client:
        assert client.ping()
    store.close()
