"""Flask-Caching on a Hutch store in the process.

    flask --app examples/flask_site.py run
"""
from flask import Flask
from flask_caching import Cache

import hutch

app = Flask(__name__)
store = hutch.Redis("flask-site", keep=True)
# Flask-Caching takes a client where it usually takes the name of a host.
cache = Cache(app, config={"CACHE_TYPE": "RedisCache", "CACHE_REDIS_HOST": store, "CACHE_DEFAULT_TIMEOUT": 60})
computed = []


@app.route("/square/<int:number>")
@cache.cached()
def square(number):
    computed.append(number)
    return {"square": number * number}


@cache.memoize()
def cube(number):
    computed.append(number)
    return number ** 3
