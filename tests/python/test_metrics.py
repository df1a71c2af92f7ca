"""hutch.metrics: figures for Prometheus and OpenTelemetry, and spans."""
import asyncio
import subprocess
import sys

import pytest
import redis
import redis.asyncio

import hutch
import hutch.asyncio
from hutch.metrics import Figures, figures_of
from kit.launch import HUTCH_ENVIRONMENT

prometheus_client = pytest.importorskip("prometheus_client")
pytest.importorskip("opentelemetry.trace")

from opentelemetry import metrics as otel_metrics, trace as otel_trace      # noqa: E402

from hutch.metrics import OpenTelemetryMetrics, PrometheusCollector, trace  # noqa: E402


def used(client):
    client.set("k", "v", ex=1000)
    client.get("k")
    client.get("none")
    with pytest.raises(redis.ResponseError):
        client.lpush("k", 1)


# ---- figures

def test_figures_of_everything_that_has_some(tmp_path):
    with hutch.Store() as store, hutch.Server(store, port=0) as server, redis.Redis(port=server.port) as far:
        client = hutch.Redis(store=store)
        used(client)
        for source in (store, server, client, hutch.asyncio.Redis(store=store), far, lambda: far.execute_command("INFO", "everything") and text(client)):
            figures = figures_of(source)
            assert figures.keys == 1 and figures.databases[0].with_deadline == 1
            assert figures.commands["get"].calls == 2 and figures.commands["lpush"].failed == 1
            assert figures.errors["WRONGTYPE"] == 1 and figures.number("keyspace_misses") == 1
            assert figures.latencies["get"]["p50"] > 0
    with hutch.Redis(str(tmp_path / "s")) as client:
        client.set("k", "v")
        assert figures_of(client).keys == figures_of(client.store).keys == 1


def text(client):
    return "".join(f"{name}:{value}\r\n" for name, value in figures_of(client).info.items())


def test_figures_of_nothing():
    assert Figures("").keys == 0 and Figures({"db0": "keys=x"}).databases[0].keys == 0
    for wrong in (3, "hutch://", object(), redis.asyncio.Redis(port=1)):
        with pytest.raises(TypeError):
            figures_of(wrong)
        with pytest.raises(TypeError):
            PrometheusCollector(wrong)


# ---- Prometheus

def exposed(collector):
    registry = prometheus_client.CollectorRegistry()
    registry.register(collector)
    found = {}
    for line in prometheus_client.generate_latest(registry).decode().splitlines():
        if not line.startswith("#"):
            name, _, value = line.rpartition(" ")
            found[name] = float(value)
    return found


def test_prometheus():
    with hutch.Store() as store, hutch.Store() as other, hutch.Server(store, port=0) as server:
        used(hutch.Redis(store=store))
        gone = redis.Redis(port=1, socket_connect_timeout=1, retry=None)
        found = exposed(PrometheusCollector(shop=store, other=other, far=redis.Redis(port=server.port), gone=gone))
        assert found['hutch_up{store="shop"}'] == found['hutch_up{store="far"}'] == 1 and found['hutch_up{store="gone"}'] == 0
        assert found['hutch_database_keys{database="0",store="shop"}'] == 1
        assert found['hutch_database_keys_with_deadline{database="0",store="shop"}'] == 1
        assert found['hutch_command_calls_total{command="get",store="shop"}'] == 2
        assert found['hutch_command_failures_total{command="lpush",store="far"}'] == 1
        assert found['hutch_errors_total{error="WRONGTYPE",store="shop"}'] == 1
        assert found['hutch_keyspace_hits_total{store="shop"}'] == 1 and found['hutch_keyspace_hits_total{store="other"}'] == 0
        assert found['hutch_memory_used_bytes{store="shop"}'] > found['hutch_memory_used_bytes{store="other"}'] > 0
        assert not any(name.endswith('store="gone"}') and not name.startswith("hutch_up") for name in found)
        assert 0 < found['hutch_command_seconds_total{command="set",store="shop"}'] < 1


def test_prometheus_names_and_ends():
    with hutch.Redis("metrics-one") as one, hutch.Redis("metrics-two") as two:
        found = exposed(PrometheusCollector(one, two, prefix="mine"))
        assert {'mine_up{store="metrics-one"}', 'mine_up{store="metrics-two"}'} <= set(found)
        with pytest.raises(ValueError):
            PrometheusCollector(one, one)
        with pytest.raises(ValueError):
            PrometheusCollector()
    store = hutch.Store()
    collector = PrometheusCollector(shop=store)
    store.close()
    assert exposed(collector) == {'hutch_up{store="shop"}': 0}


def test_prometheus_names_are_its_own_rules():
    """As promtool checks them: counters end in _total, and nothing is said twice."""
    registry = prometheus_client.CollectorRegistry()
    with hutch.Store() as store:
        registry.register(PrometheusCollector(store))
        names = [family.name for family in registry.collect()]
        assert len(names) == len(set(names)) > 20
        assert all(family.documentation for family in registry.collect())


# ---- OpenTelemetry, as its API has it: what a provider of somebody's gets to see

class Meters(otel_metrics.NoOpMeterProvider):
    def __init__(self):
        self.callbacks = {}

    def get_meter(self, *args, **options):
        return Meter(self.callbacks)

    def collect(self):
        return {name: [(one.value, one.attributes) for callback in callbacks for one in callback(otel_metrics.CallbackOptions())]
                for name, callbacks in self.callbacks.items()}


class Meter(otel_metrics.NoOpMeter):
    def __init__(self, callbacks):
        super().__init__("test")
        self._callbacks = callbacks

    def create_observable_gauge(self, name, callbacks=None, unit="", description=""):
        assert name not in self._callbacks and description and unit
        self._callbacks[name] = callbacks

    create_observable_counter = create_observable_gauge


class Spans(otel_trace.NoOpTracerProvider):
    def __init__(self):
        self.ended = []

    def get_tracer(self, *args, **options):
        return Tracer(self.ended)

    def take(self):
        taken, self.ended[:] = list(self.ended), []
        return [(span.name, span.attributes.get("db.query.text"), span.attributes.get("error.type")) for span in taken]


class Span(otel_trace.NonRecordingSpan):
    def __init__(self, name, attributes, ended):
        super().__init__(otel_trace.INVALID_SPAN_CONTEXT)
        self.name, self.attributes, self._ended = name, dict(attributes or {}), ended

    def set_attribute(self, key, value):
        self.attributes[key] = value

    def end(self, end_time=None):
        self._ended.append(self)


class Tracer(otel_trace.NoOpTracer):
    def __init__(self, ended):
        self._ended = ended

    def start_as_current_span(self, name, context=None, kind=None, attributes=None, **options):
        assert kind is otel_trace.SpanKind.CLIENT
        return otel_trace.use_span(Span(name, attributes, self._ended), end_on_exit=True, record_exception=options["record_exception"],
                                   set_status_on_exception=options["set_status_on_exception"])


def test_opentelemetry_metrics():
    meters = Meters()
    with hutch.Store() as store:
        observed = OpenTelemetryMetrics(shop=store, gone=redis.Redis(port=1, socket_connect_timeout=1, retry=None), meter_provider=meters)
        client = hutch.Redis(store=store)
        used(client)
        found = meters.collect()
        assert found["hutch.up"] == [(1, {"store": "shop"}), (0, {"store": "gone"})]
        assert found["hutch.keyspace_hits"] == [(1, {"store": "shop"})]
        assert (2, {"store": "shop", "command": "get"}) in found["hutch.command_calls"]
        assert found["hutch.database_keys"] == [(1, {"store": "shop", "database": "0"})]
        client.get("k")
        assert (3, {"store": "shop", "command": "get"}) in meters.collect()["hutch.command_calls"]
        observed.close()
        assert not any(meters.collect().values())


def test_a_round_asks_each_source_once():
    meters = Meters()
    asked = []

    def source():
        asked.append(1)
        return "used_memory:5\r\n"
    observed = OpenTelemetryMetrics(far=source, meter_provider=meters)
    for rounds in (1, 2, 3):
        assert meters.collect()["hutch.memory_used"] == [(5.0, {"store": "far"})]
        assert len(asked) == rounds
    observed.close()


def test_spans():
    spans = Spans()
    with hutch.Redis() as client:
        end = trace(client, tracer_provider=spans)
        assert client.set("k", "secret") and client.get("k") == b"secret"
        with pytest.raises(redis.ResponseError):
            client.lpush("k", "x")
        client.config_get("maxmemory")
        assert spans.take() == [("SET", "SET ? ?", None), ("GET", "GET ?", None), ("LPUSH", "LPUSH ? ?", "WRONGTYPE"),
                                ("CONFIG GET", "CONFIG GET ?", None)]
        with client.pipeline() as pipe:
            assert pipe.set("a", 1).hset("h", "f", "v").execute() == [True, 1]
        with client.pipeline(transaction=False) as pipe:
            pipe.incr("a").lpush("k", 1)
            with pytest.raises(redis.ResponseError):
                pipe.execute()
        assert spans.take() == [("PIPELINE", "SET ? ?\nHSET ? ? ?", None), ("PIPELINE", "INCRBY ? ?\nLPUSH ? ?", "WRONGTYPE")]
        client.transaction(lambda pipe: pipe.multi() or pipe.incr("a"), "a")
        assert [name for name, *_ in spans.take()] == ["PIPELINE"]
        end()
        assert client.get("a") == b"3" and client.pipeline().get("a").execute() == [b"3"]
        assert spans.take() == []
        assert "execute_command" not in vars(client) and "pipeline" not in vars(client)


def test_spans_of_asyncio_and_of_servers_elsewhere():
    spans = Spans()

    async def tasks(client):
        end = trace(client, tracer_provider=spans, arguments=True)
        assert await client.set("k", "v") and await client.get("k") == b"v"
        with pytest.raises(redis.ResponseError):
            await client.lpush("k", 1)
        assert await client.pipeline().set("a", 1).get("a").execute() == [True, b"1"]
        end()
        await client.get("k")
        await client.aclose()
        assert spans.take() == [("SET", "SET k v", None), ("GET", "GET k", None), ("LPUSH", "LPUSH k 1", "WRONGTYPE"),
                                ("PIPELINE", "SET a 1\nGET a", None)]
    asyncio.run(tasks(hutch.asyncio.Redis()))
    with hutch.Server(port=0) as server:
        asyncio.run(tasks(redis.asyncio.Redis(port=server.port)))
        with redis.Redis(port=server.port) as client:
            trace(client, tracer_provider=spans)
            client.get("k")
            span = spans.ended[0]
            assert span.attributes["server.address"].endswith(str(server.port)) and span.attributes["db.system.name"] == "redis"


def test_spans_of_one_client_are_no_other_clients():
    spans = Spans()
    with hutch.Store() as store:
        traced, other = hutch.Redis(store=store), hutch.Redis(store=store)
        trace(traced, tracer_provider=spans)
        other.set("k", "v")
        assert spans.take() == []
        traced.get("k")
        assert len(spans.take()) == 1


# ---- without the extras

@pytest.mark.parametrize("name, missing, extra", [
    ("PrometheusCollector", "prometheus_client", "hutch[prometheus]"), ("OpenTelemetryMetrics", "opentelemetry", "hutch[opentelemetry]"),
    ("trace", "opentelemetry", "hutch[opentelemetry]")])
def test_without_the_extra(name, missing, extra):
    program = f"import sys; sys.modules[{missing!r}] = None\ntry:\n    from hutch.metrics import {name}\nexcept ImportError as error:\n    print(error)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, env=HUTCH_ENVIRONMENT)
    assert done.returncode == 0 and extra in done.stdout and done.stdout.count("\n") == 1, done.stderr
    program = f"import sys; sys.modules[{missing!r}] = None; from hutch.metrics import figures_of; import hutch; print(figures_of(hutch.Store()).keys)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, env=HUTCH_ENVIRONMENT)
    assert done.stdout == "0\n"
