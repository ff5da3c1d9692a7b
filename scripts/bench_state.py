"""bench_state.py - the state alone, beside Redis.

state   trove-state alone on the worker's core, its tables well beyond the caches (it takes 3 GiB): claims, ids, users and walks a second,
        bytes of each, and apply_worst: the dearest events that a configuration allows, with nothing prefetched: one hunt or as many
        as may listen, every budget as high as it may be. claim_us is from a burst's taking to its decision. Beside it claims of Redis: SET NX in
        Lua, 64 in a round trip and one in a round trip, redis-server on the same core and its clients on the other, and how many times as
        many ours are. Every figure is the median of --runs.
"""
import json
import statistics
import subprocess

from bench_cores import WORKER
from bench_lib import BUILD, Scenario, fail, figure
from bench_redis import redis_peer, redis_rate


def state_runs(runs):
    """Prints every figure of trove-state, and returns all values of each."""
    found = {}
    for _ in range(runs):
        run = subprocess.run([BUILD / "bench/trove-state", str(WORKER)], capture_output=True, text=True, check=False)
        if run.returncode:
            fail("trove-state: " + run.stderr.strip())
        for line in run.stdout.splitlines():
            one = json.loads(line)
            found.setdefault((one["figure"], one["unit"]), []).append(one["value"])
    for (name, unit), values in found.items():
        figure("state", name, values, unit)
    return {name: values for (name, _), values in found.items()}


def redis_claims(directory, runs):
    """SET NX in a script, as a claim service on Redis would: random tiles, most of them free. Rates by the pipeline's length."""
    script = "if redis.call('SET', KEYS[1], ARGV[1], 'NX') then return 1 else return 0 end"
    with redis_peer(directory, "--appendonly", "no") as sock:
        if not sock:
            return {}
        sha = subprocess.run(["redis-cli", "-s", sock, "script", "load", script], capture_output=True, text=True, check=True).stdout.strip()
        claim = ("evalsha", sha, "1", "tile:__rand_int__", "user")
        rates = {pipeline: [redis_rate(sock, count, pipeline, 10**12, *claim) for _ in range(runs)]
                 for pipeline, count in ((64, 1_000_000), (1, 200_000))}
    for pipeline, values in rates.items():
        figure("state", "claims_per_s", values, "1/s", peer="redis-lua", pipeline=pipeline)
    return rates


def bench_state(directory, options):
    ours = statistics.median(state_runs(options.runs)["claims_per_s"])
    for pipeline, theirs in redis_claims(directory, options.runs).items():
        figure("state", "claims_ratio", [ours / rate for rate in theirs], "1", peer="redis-lua", pipeline=pipeline)


SCENARIOS = {"state": Scenario(bench_state, "the state alone, beside Redis", packages="redis-server redis-tools")}
