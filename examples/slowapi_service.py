"""slowapi, FastAPI's rate limits, with its counts in a Hutch store of the process.

    uvicorn --app-dir examples slowapi_service:app

Where several workers count together: Limiter(..., storage_uri=url) with the URL of a Hutch server, and no storage_options.
"""
import os

from fastapi import FastAPI, Request
from slowapi import Limiter, _rate_limit_exceeded_handler
from slowapi.errors import RateLimitExceeded

import hutch

URL = os.environ.get("HUTCH_URL")
limiter = Limiter(
    key_func=lambda request: request.headers.get("x-user", "nobody"), strategy="moving-window", storage_uri=URL or "redis://embedded",
    storage_options={} if URL else {"connection_pool": hutch.ConnectionPool("slowapi", keep=True)})
app = FastAPI()
app.state.limiter = limiter
app.add_exception_handler(RateLimitExceeded, _rate_limit_exceeded_handler)


@app.get("/report")
@limiter.limit("3/minute")
async def report(request: Request):
    return {"report": "long"}
