"""hutch:// URLs: which store, which database, which options."""
from urllib.parse import parse_qs, unquote, urlsplit

from redis.connection import URL_QUERY_ARGUMENT_PARSERS, to_bool

_PARSERS = {**URL_QUERY_ARGUMENT_PARSERS, "decode_responses": to_bool, "keep": to_bool, "protocol": int}


def parse_url(url: str) -> dict:
    """Keyword arguments for a client.

        >>> parse_url("hutch://sessions/2?decode_responses=yes")
        {'decode_responses': True, 'name': 'sessions', 'db': 2}
        >>> parse_url("hutch://")
        {}

    A database in the query wins over one in the path. ValueError for another scheme, a path that is no number, and a value in
    the query that is not of its option's type.
    """
    parts = urlsplit(url)
    if parts.scheme != "hutch":
        raise ValueError("Hutch URL must begin with hutch://, as in hutch://, hutch://name or hutch://name/2")
    options = {}
    for name, values in parse_qs(parts.query).items():
        parser = _PARSERS.get(name)
        try:
            options[name] = parser(values[0]) if parser else values[0]
        except (TypeError, ValueError):
            raise ValueError(f"Invalid value for '{name}' in connection URL.") from None
    credentials, at, name = parts.netloc.rpartition("@")
    if at:
        username, _, password = credentials.partition(":")
        if username:
            options["username"] = unquote(username)
        if password:
            options["password"] = unquote(password)
    if name:
        options["name"] = unquote(name)
    path = unquote(parts.path).strip("/")
    if path and not (path.isascii() and path.isdigit()):
        raise ValueError(f"{unquote(parts.path)!r} is a path: a store in a directory comes with persistence")
    if path and "db" not in options:
        options["db"] = int(path)
    return options
