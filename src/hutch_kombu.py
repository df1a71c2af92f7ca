"""Makes the scheme hutch:// known to kombu.

kombu finds transports in a table, and has no entry points for them. It does have some for serializers, which it loads when
it is imported; one of them leads here (see pyproject.toml). This module is apart from the package `hutch` so that kombu's
users pay for the engine only when they use it.
"""
from kombu.transport import TRANSPORT_ALIASES

TRANSPORT = "hutch.celery.transport:Transport"
TRANSPORT_ALIASES.setdefault("hutch", TRANSPORT)

# What kombu registers: a content type that nothing is ever sent with, and neither encoder nor decoder.
SERIALIZER = (None, None, "application/x-hutch-transport", "binary")
