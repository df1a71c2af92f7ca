__version__ = "0.1.0"
# Whose commands, replies and formats these are.
REDIS_VERSION = "8.2.3"
