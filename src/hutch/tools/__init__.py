"""The tools of the command line that work on files and stores: inspect, check, convert, diff, migrate.

    commands     their words (argparse), and which function each of them is
    places       what a SOURCE is: a file, a directory, a URL; opened without changing it
    links        commands and replies as they are, to whatever place: an engine, a server, a cluster
    records      keys as plain values, read by commands
    writing      ... and written by them; stream_bytes, rdb_bytes: as Redis's own bytes
    logs         append-only files: manifests, commands, where they are torn

Each tool is a module with a function of its own name beside `main`, for programs that want its figures.
"""
