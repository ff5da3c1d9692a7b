"""bench_users.py - what an event costs as users grow.

users   trove-users on the worker's core: event_ns of the state alone (dedupe, progress, a short walk) with 1,000 to 10 million users, all known
        before, visited at random. memory_ns is what the same random places cost with nothing computed: cache and TLB misses;
        memory_small_ns the same on pages of 4 KiB. cost_ratio is event_ns over that of 1,000 users; cost_ratio_unexplained
        the same without what memory_ns has grown by: what it is above 1 is ours.
"""
import json
import subprocess

from bench_cores import WORKER
from bench_lib import BUILD, Scenario, fail, figure


def bench_users(_, options):
    runs = []
    for _ in range(options.runs):
        run = subprocess.run([BUILD / "bench/trove-users", str(WORKER)], capture_output=True, text=True, check=False)
        if run.returncode:
            fail("trove-users: " + run.stderr.strip())
        runs.append({line["users"]: line for line in map(json.loads, run.stdout.splitlines())})
    least = min(runs[0])
    for users in runs[0]:
        for name in ("ns", "memory_ns", "memory_small_ns"):
            figure("users", "event_ns" if name == "ns" else name, [run[users][name] for run in runs], "ns", users=users)
        figure("users", "cost_ratio", [run[users]["ns"] / run[least]["ns"] for run in runs], "1", users=users)
        figure("users", "cost_ratio_unexplained",
               [(run[users]["ns"] - (run[users]["memory_ns"] - run[least]["memory_ns"])) / run[least]["ns"] for run in runs], "1", users=users)


SCENARIOS = {"users": Scenario(bench_users, "cost of an event, 1,000 to 10 million users, memory told apart")}
