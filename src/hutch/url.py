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
        >>> parse_url("hutch:///var/lib/shop?db=1&appendfsync=always")
        {'db': 1, 'appendfsync': 'always', 'name': '/var/lib/shop'}

    With three slashes it is the path of a store in a directory (``hutch://./data`` and ``hutch://../data`` are relative ones), and the
    database stands in the query. A database in the query wins over one in the path. ValueError for another scheme, a path behind a
    name that is no number, and a value in the query that is not of its option's type.
    """
    parts = urlsplit(url)
    if parts.scheme != "hutch":
        raise ValueError("Hutch URL must begin with hutch://, as in hutch://, hutch://name, hutch://name/2 or hutch:///path/to/store")
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
    path = unquote(parts.path)
    if name in (".", "..") or (not name and path.strip("/") and not _is_number(path.strip("/"))):
        options["name"] = name + path
        return options
    if name:
        options["name"] = unquote(name)
    path = unquote(parts.path).strip("/")
    if path and not _is_number(path):
        raise ValueError(f"{unquote(parts.path)!r} is no database's number. The path of a store has three slashes: "
                         f"hutch:///{unquote(name)}{unquote(parts.path)}")
    if path and "db" not in options:
        options["db"] = int(path)
    return options


def _is_number(text):
    return text.isascii() and text.isdigit()
