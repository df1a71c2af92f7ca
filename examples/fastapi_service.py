"""FastAPI with a cache, and rate limits, that live as long as the application.

    uvicorn --app-dir examples fastapi_service:app
"""
import contextlib

from fastapi import FastAPI, HTTPException, Request

import hutch
from hutch.cache import AsyncCache, AsyncSlidingWindow

computed = []


@contextlib.asynccontextmanager
async def lifespan(app):
    async with hutch.asyncio.Redis() as client:          # or a path, which several workers share
        async with AsyncCache(client, ttl=60, stale=600) as cache:
            app.state.limit = AsyncSlidingWindow(client, limit=5, per=60)

            @cache.cached
            async def report(year: int) -> dict:
                computed.append(year)
                return {"year": year, "days": 366 if year % 4 == 0 and (year % 100 or year % 400 == 0) else 365}
            app.state.report = report
            yield


app = FastAPI(lifespan=lifespan)


@app.get("/report/{year}")
async def get_report(year: int, request: Request):
    verdict = await request.app.state.limit.hit(request.headers.get("x-user", "nobody"))
    if not verdict:
        raise HTTPException(429, headers={"Retry-After": str(round(verdict.retry_after + 0.5))})
    return await request.app.state.report(year)
