"""Figures of stores and servers for Prometheus and OpenTelemetry, and spans for the commands of a client.

    pip install 'hutch[prometheus]'            PrometheusCollector
    pip install 'hutch[opentelemetry]'         OpenTelemetryMetrics, trace

Nothing is counted for this: the figures are those of INFO, which the engine keeps anyway, and they are read when somebody asks for them.
A program that does not ask pays nothing; nor does importing hutch import any of this.

    >>> import hutch
    >>> from hutch.metrics import figures_of
    >>> with hutch.Redis() as r:
    ...     _ = r.set("greeting", "hello")
    ...     figures_of(r).keys, figures_of(r).commands["set"].calls
    (1, 1)
"""
from __future__ import annotations

from typing import Any

from .figures import CommandFigures, DatabaseFigures, Figures, figures_of

__all__ = ["CommandFigures", "DatabaseFigures", "Figures", "OpenTelemetryMetrics", "PrometheusCollector", "figures_of", "trace"]


def __getattr__(name: str) -> Any:
    # Each needs its extra, and says so.
    if name == "PrometheusCollector":
        from .prometheus import PrometheusCollector
        return PrometheusCollector
    if name in ("OpenTelemetryMetrics", "trace"):
        from . import opentelemetry
        return getattr(opentelemetry, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> "list[str]":
    return sorted({*globals(), *__all__})
