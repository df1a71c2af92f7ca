"""OpenTelemetry: figures of stores and servers, and spans for the commands of a client."""
from __future__ import annotations

import functools
from typing import Any, Callable, Iterable, Sequence

try:
    from opentelemetry import metrics as otel_metrics, trace as otel_trace
    from opentelemetry.metrics import CallbackOptions, Observation
    from opentelemetry.trace import SpanKind, Status, StatusCode
except ImportError:
    raise ImportError("hutch.metrics needs opentelemetry-api for this: pip install 'hutch[opentelemetry]'") from None

from ..version import __version__
from .catalogue import LABELLED, SINGLE, Metric, labelled, name_of, named
from .figures import Figures, figures_of


class OpenTelemetryMetrics:
    """Observes stores, servers and clients, whenever a reader of OpenTelemetry's collects.

        >>> import hutch
        >>> from hutch.metrics import OpenTelemetryMetrics
        >>> observed = OpenTelemetryMetrics(shop=hutch.Store())
        >>> observed.close()

    Sources are those of PrometheusCollector, with the attribute `store`. `meter_provider` is by default the program's. One that
    cannot be reached has no figures but `hutch.up` 0. TypeError for what is no source, ValueError for two of one name.
    """

    def __init__(self, *sources: Any, meter_provider: Any = None, prefix: str = "hutch", **named_sources: Any):
        self._sources: "dict[str, Any]" = named(sources, named_sources)
        self._round: "dict[str, Figures | None]" = {}
        self._read: "set[str]" = set()
        meter = otel_metrics.get_meter("hutch", __version__, meter_provider)
        self._instruments = [meter.create_observable_gauge(
            f"{prefix}.up", [self._up], "1", "1 where the store or server answers.")]
        for metric in SINGLE:
            self._instruments.append(self._instrument(meter, prefix, metric, functools.partial(self._single, metric)))
        for what, (metric, label) in LABELLED.items():
            self._instruments.append(self._instrument(meter, prefix, metric, functools.partial(self._labelled, what, label)))

    @staticmethod
    def _instrument(meter: Any, prefix: str, metric: Metric, callback: "Callable[[CallbackOptions], Iterable[Observation]]") -> Any:
        make = meter.create_observable_counter if metric.kind == "counter" else meter.create_observable_gauge
        # Names without units, as OpenTelemetry has it.
        name = metric.name.removesuffix("_seconds").removesuffix("_bytes")
        return make(f"{prefix}.{name}", [callback], metric.unit, metric.text)

    def _figures(self, asker: str) -> "dict[str, Figures | None]":
        # One round of a reader calls each callback once: whoever comes a second time begins a new round.
        if asker in self._read or not self._round:
            self._read.clear()
            self._round = {}
            for name, source in list(self._sources.items()):
                try:
                    self._round[name] = figures_of(source)
                except Exception:        # whatever its client raises
                    self._round[name] = None
        self._read.add(asker)
        return self._round

    def _up(self, options: CallbackOptions) -> "Iterable[Observation]":
        return [Observation(0 if figures is None else 1, {"store": name}) for name, figures in self._figures("up").items()]

    def _single(self, metric: Metric, options: CallbackOptions) -> "Iterable[Observation]":
        return [Observation(figures.number(metric.field) * metric.scale, {"store": name})
                for name, figures in self._figures(metric.name).items() if figures is not None and figures.has(metric.field)]

    def _labelled(self, what: str, label: str, options: CallbackOptions) -> "Iterable[Observation]":
        return [Observation(value, {"store": name, label: labelled_by})
                for name, figures in self._figures("labelled " + what).items() if figures is not None
                for labelled_by, value in labelled(figures)[what]]

    def close(self) -> None:
        """Look at the sources no more, and let them go: instruments of OpenTelemetry's cannot be taken back."""
        self._sources = {}
        self._round = {}


def trace(client: Any, *, tracer_provider: Any = None, arguments: bool = False) -> "Callable[[], None]":
    """From now on there is a span for each command and pipeline of this client; returns a function that ends it.

        >>> import hutch
        >>> from hutch.metrics import trace
        >>> r = hutch.Redis()
        >>> end = trace(r)
        >>> r.set("greeting", "hello")
        True
        >>> end()

    A hutch.Redis or a redis.Redis, and their asyncio siblings. Spans are named by the command, and have the attributes of
    OpenTelemetry's conventions for Redis; `db.query.text` has the command's words as question marks, or as they are with `arguments`
    (then data and passwords go where the spans go). The client's methods are replaced, so compiled ones go the longer way while it is
    traced; other clients of the store do not.
    """
    tracer = otel_trace.get_tracer("hutch", __version__, tracer_provider)
    common = {"db.system.name": "redis", "db.namespace": str(_database(client)), "server.address": name_of(client)}
    is_async = _is_async(client)
    own = vars(client)
    saved = {name: own[name] for name in ("execute_command", "pipeline") if name in own}
    execute, pipeline = client.execute_command, client.pipeline

    def describe(words: "Sequence[Any]") -> "tuple[str, dict[str, Any]]":
        name, text = _described(words, arguments)
        return name, {**common, "db.operation.name": name, "db.query.text": text}

    def batch(commands: "Sequence[Sequence[Any]]") -> "tuple[str, dict[str, Any]]":
        described = [_described(words, arguments) for words in commands]
        return "PIPELINE", {**common, "db.operation.name": "PIPELINE", "db.operation.batch.size": len(described),
                            "db.query.text": "\n".join(text for _, text in described[:100])}

    if is_async:
        async def execute_async(*words: Any, **options: Any) -> Any:
            name, attributes = describe(words)
            with _span(tracer, name, attributes) as span:
                return await _awaited(span, execute(*words, **options))
        client.execute_command = execute_async
    else:
        def execute_plain(*words: Any, **options: Any) -> Any:
            name, attributes = describe(words)
            with _span(tracer, name, attributes) as span:
                return _noted(span, lambda: execute(*words, **options))
        client.execute_command = execute_plain

    def traced_pipeline(*args: Any, **options: Any) -> Any:
        pipe = pipeline(*args, **options)
        run = pipe.execute
        if is_async:
            async def run_async(*args: Any, **options: Any) -> Any:
                with _span(tracer, *batch(_stack(pipe))) as span:
                    return await _awaited(span, run(*args, **options))
            pipe.execute = run_async
        else:
            def run_plain(*args: Any, **options: Any) -> Any:
                with _span(tracer, *batch(_stack(pipe))) as span:
                    return _noted(span, lambda: run(*args, **options))
            pipe.execute = run_plain
        return pipe
    client.pipeline = traced_pipeline

    def end() -> None:
        for name in ("execute_command", "pipeline"):
            if name in saved:
                setattr(client, name, saved[name])
            elif name in vars(client):
                delattr(client, name)
    return end


def _span(tracer: Any, name: str, attributes: "dict[str, Any]") -> Any:
    return tracer.start_as_current_span(name, kind=SpanKind.CLIENT, attributes=attributes, record_exception=False, set_status_on_exception=False)


def _noted(span: Any, run: "Callable[[], Any]") -> Any:
    try:
        return run()
    except Exception as error:
        _failed(span, error)
        raise


async def _awaited(span: Any, awaitable: Any) -> Any:
    try:
        return await awaitable
    except Exception as error:
        _failed(span, error)
        raise


def _failed(span: Any, error: Exception) -> None:
    # The error's first word, as Redis's clients go by: WRONGTYPE. Its text may have a key in it.
    text = str(error)
    if text.startswith("Command # "):            # of a pipeline: redis-py says which
        text = text.rpartition(" caused error: ")[2]
    first = text.partition(" ")[0]
    code = first if first.isascii() and first.isalpha() and first.isupper() else type(error).__name__
    span.set_attribute("error.type", code)
    span.set_attribute("db.response.status_code", code)
    span.set_status(Status(StatusCode.ERROR, code))


def _described(words: "Sequence[Any]", arguments: bool) -> "tuple[str, str]":
    texts = [word.decode("utf-8", "replace") if isinstance(word, bytes) else str(word) for word in words]
    if not texts:
        return "?", ""
    name = texts[0].upper()                      # "CONFIG GET" is one word of redis-py's
    shown = texts[1:] if arguments else ["?"] * (len(texts) - 1)
    text = " ".join([name, *shown])
    return name, text if len(text) <= 2000 else text[:1997] + "..."


def _stack(pipe: Any) -> "list[Sequence[Any]]":
    stack = pipe.command_stack
    return [one.args if hasattr(one, "args") else one[0] for one in stack]


def _database(client: Any) -> int:
    pool = getattr(client, "connection_pool", None)
    return int((getattr(pool, "connection_kwargs", None) or {}).get("db") or 0)


def _is_async(client: Any) -> bool:
    import inspect
    return inspect.iscoroutinefunction(client.execute_command) or ".asyncio" in type(client).__module__
