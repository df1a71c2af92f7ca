"""CPU time of the server process per GET, for users with rules against the default user, who may do everything.

    python bench/users.py [--rounds 7] [--requests 200000] [--pipeline 1,16,100]

One Hutch, and one Redis for comparison; redis-benchmark drives each with 50 clients as one user after the other. The ratio is the
median of the rounds' ratios.
"""
import argparse
import statistics
import subprocess

from peers import hutch_peer, redis_peer, tool

USERS = {
    "all": "~* +@all",
    "prefix": "~key:* +@read",
    "glob": "~k?y:[0-9]* +@all -@dangerous",
    "several": "~a:* ~b:* ~c:* %R~key:* +get +set",
}


def measure(peer, user, pipeline, requests):
    before = peer.cpu_seconds()
    subprocess.run([tool("redis-benchmark"), "-p", str(peer.port), *(["--user", user, "-a", "p"] if user else []), "-c", "50",
                    "-P", str(pipeline), "-n", str(requests), "-r", "100000", "-q", "-t", "get"],
                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True)
    return (peer.cpu_seconds() - before) / requests * 1e6


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--requests", type=int, default=200000)
    parser.add_argument("--pipeline", default="1,16,100")
    options = parser.parse_args()
    peers = {"redis": redis_peer(), "hutch": hutch_peer()}
    try:
        for peer in peers.values():
            client = peer.client(protocol=2)
            for name, rules in USERS.items():
                client.execute_command("ACL", "SETUSER", name, "on", ">p", *rules.split())
            client.close()
        print(f"{'peer':6} {'user':8} {'pipeline':>8} {'default us':>11} {'user us':>9} {'ratio':>6}")
        for name, peer in peers.items():
            for pipeline in map(int, options.pipeline.split(",")):
                requests = options.requests if pipeline == 1 else options.requests * 5
                for user in USERS:
                    rows = []
                    for number in range(options.rounds):
                        pair = (None, user) if number % 2 else (user, None)          # what comes second is not always the same
                        found = {each: measure(peer, each, pipeline, requests) for each in pair}
                        rows.append((found[None], found[user]))
                    plain, ruled = (statistics.median(column) for column in zip(*rows))
                    ratio = statistics.median(ruled / plain for plain, ruled in rows)
                    print(f"{name:6} {user:8} {pipeline:8} {plain:11.3f} {ruled:9.3f} {ratio:6.3f}", flush=True)
    finally:
        for peer in peers.values():
            peer.stop()


if __name__ == "__main__":
    main()
