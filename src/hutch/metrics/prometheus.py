"""A collector for prometheus_client."""
from __future__ import annotations

from typing import Any, Iterator

try:
    from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric as Family
    from prometheus_client.registry import Collector
except ImportError:
    raise ImportError("hutch.metrics.PrometheusCollector needs prometheus_client: pip install 'hutch[prometheus]'") from None

from .catalogue import LABELLED, labelled, named, single
from .figures import figures_of


class PrometheusCollector(Collector):
    """Figures of stores, servers and clients, for a Prometheus registry.

        >>> import hutch
        >>> from hutch.metrics import PrometheusCollector
        >>> from prometheus_client import CollectorRegistry, generate_latest
        >>> store = hutch.Store()
        >>> registry = CollectorRegistry()
        >>> registry.register(PrometheusCollector(shop=store))
        >>> _ = hutch.Redis(store=store).set("greeting", "hello")
        >>> [line for line in generate_latest(registry).decode().splitlines() if line.startswith("hutch_database_keys{")]
        ['hutch_database_keys{database="0",store="shop"} 1.0']

    Each source is a hutch.Store, a hutch.Server, a client of Hutch's, or a redis.Redis of a server elsewhere; it is told apart by the label
    `store`: by the name of its argument, or else by its own. It is asked whenever Prometheus asks; one that cannot be reached is `hutch_up` 0
    and has no other figures. `prefix` is what names begin with.

    TypeError for what is no source, ValueError for two of one name.
    """

    def __init__(self, *sources: Any, prefix: str = "hutch", **named_sources: Any):
        self._sources = named(sources, named_sources)
        self._prefix = prefix

    def describe(self) -> "list[Any]":
        """Nothing: so that registering asks no source yet."""
        return []

    def collect(self) -> "Iterator[Family]":
        """All figures of all sources, as they are now. O(sources * commands)"""
        up = GaugeMetricFamily(f"{self._prefix}_up", "1 where the store or server answers.", labels=["store"])
        families: "dict[str, Any]" = {}

        def family(metric: Any, *labels: str) -> Any:
            if metric.name not in families:
                kind = CounterMetricFamily if metric.kind == "counter" else GaugeMetricFamily
                families[metric.name] = kind(f"{self._prefix}_{metric.name}", metric.text, labels=[*labels, "store"])
            return families[metric.name]

        for name, source in self._sources.items():
            try:
                figures = figures_of(source)
            except Exception:            # whatever its client raises: the others are still to be told of
                up.add_metric([name], 0)
                continue
            up.add_metric([name], 1)
            for metric, value in single(figures):
                family(metric).add_metric([name], value)
            for what, values in labelled(figures).items():
                metric, label = LABELLED[what]
                for labelled_by, value in values:
                    family(metric, label).add_metric([labelled_by, name], value)
        yield up
        yield from families.values()
