"""A Django site whose cache and sessions are in a Hutch store.

    python examples/django_site.py runserver           # http://127.0.0.1:8000/
    HUTCH_EXAMPLE=django-redis python examples/django_site.py runserver        # the same by django-redis
"""
import os
import sys

import django
from django.conf import settings
from django.core.cache import cache
from django.http import JsonResponse
from django.urls import path

BACKENDS = {
    "hutch": {"BACKEND": "hutch.django.HutchCache", "LOCATION": os.environ.get("HUTCH_EXAMPLE_STORE", "site")},
    # django-redis as it is: only the class of its connections' pool is another one.
    "django-redis": {
        "BACKEND": "django_redis.cache.RedisCache", "LOCATION": "hutch://site-of-django-redis",
        "OPTIONS": {"CONNECTION_POOL_CLASS": "hutch.ConnectionPool", "CONNECTION_POOL_KWARGS": {"keep": True}, "REDIS_CLIENT_CLASS": "hutch.Redis"}},
}

if not settings.configured:
    settings.configure(
        DEBUG=True, SECRET_KEY="an example's", ALLOWED_HOSTS=["*"], ROOT_URLCONF=__name__, USE_TZ=True,
        INSTALLED_APPS=["django.contrib.sessions"],
        MIDDLEWARE=["django.contrib.sessions.middleware.SessionMiddleware"],
        CACHES={"default": BACKENDS[os.environ.get("HUTCH_EXAMPLE", "hutch")]},
        SESSION_ENGINE="django.contrib.sessions.backends.cache")
    django.setup()


def index(request):
    request.session["visits"] = request.session.get("visits", 0) + 1
    cache.add("all-visits", 0, timeout=None)
    return JsonResponse({"yours": request.session["visits"], "all": cache.incr("all-visits")})


urlpatterns = [path("", index)]

if __name__ == "__main__":
    from django.core.management import execute_from_command_line
    execute_from_command_line(sys.argv)
