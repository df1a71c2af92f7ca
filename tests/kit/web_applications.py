"""Web applications that keep counts in a store in a directory, $STORE: for gunicorn (`wsgi`) and uvicorn (`asgi`)."""
import os

import hutch
import hutch.asyncio

r = hutch.Redis(os.environ["STORE"], appendfsync="always")      # with `preload`, gunicorn's master opens it
if os.environ.get("OPENED_BEFORE"):
    r.ping()
task_r = hutch.asyncio.Redis(os.environ["STORE"])


def wsgi(environ, start_response):
    text = f"{r.incr('visits')} {os.getpid()} {r.store.is_owned}"
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [text.encode()]


async def asgi(scope, receive, send):
    if scope["type"] != "http":
        return
    text = f"{await task_r.incr('visits')} {os.getpid()} {task_r.store.is_owned}"
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/plain")]})
    await send({"type": "http.response.body", "body": text.encode()})
