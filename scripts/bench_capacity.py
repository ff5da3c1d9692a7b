"""bench_capacity.py - the costs that scripts/capacity reckons with, and how well it does.

capacity  for some sizes and numbers of events in a datagram, sent as fast as they are taken: events_per_s, which is what the worker takes where
        nothing else is the limit, and what an event takes of a core, worker_ns, journal_ns (all of the control core but sinks), sink_ns (of one
        pump). From four of them scripts/capacity's costs are worked out (cost_...) and kept in bench/capacity.json; the others are
        predicted: prediction_error is how far the prediction of worker_ns is from what was measured.
"""
import importlib.machinery
import importlib.util
import json
import os
import pathlib
import statistics
import sys
import time

from bench_cores import WORKER
from bench_lib import HERE, PATIENCE_S, TOP, Daemon, Scenario, fail, figure
from bench_link import JOURNAL, PORT, blast
from bench_results import machine
from bench_sinks import cpu_s

LEARNT = ((170, 1), (170, 5), (600, 1), (1200, 1))  # bytes of an event, events in a datagram
PREDICTED = ((340, 1), (340, 3), (900, 1))
SECONDS = 2
MOST_PER_S = 4_000_000  # ids that there is room for
PUMPS = 2  # the file sink's and the leaderboards'
HUNT = "basket"  # whose leaderboard is asked how far it is


def load_model():
    loader = importlib.machinery.SourceFileLoader("capacity", str(HERE / "capacity"))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader("capacity", loader))
    sys.modules["capacity"] = module  # where a dataclass looks for it
    loader.exec_module(module)
    return module


def solve(rows, values):
    """Least squares by the normal equations: few unknowns, well apart."""
    size = len(rows[0])
    matrix = [[sum(row[i] * row[j] for row in rows) for j in range(size)] + [sum(row[i] * value for row, value in zip(rows, values))]
              for i in range(size)]
    for i in range(size):
        pivot = max(range(i, size), key=lambda j: abs(matrix[j][i]))
        matrix[i], matrix[pivot] = matrix[pivot], matrix[i]
        for j in range(size):
            if j != i:
                factor = matrix[j][i] / matrix[i][i]
                matrix[j] = [a - factor * b for a, b in zip(matrix[j], matrix[i])]
    return [matrix[i][size] / matrix[i][i] for i in range(size)]


def fit(found):
    """The costs that explain what an event took each part, {(bytes, per datagram): {part: ns}}, at the sizes that are learnt from."""
    rows = [(1, size, 1 / per_datagram) for size, per_datagram in LEARNT]
    costs = dict(zip(("event_ns", "byte_ns", "datagram_ns"), solve(rows, [found[point]["worker"] for point in LEARNT])))
    for part in ("journal", "sink"):
        rates = solve([row[:2] for row in rows], [found[point][part] for point in LEARNT])
        costs.update(zip((f"{part}_ns", f"{part}_byte_ns"), rates))
    return costs


def control_s(pid):
    """The processor's time of a daemon's threads on the control core, in seconds: sinks' pumps, and the rest."""
    used = {"sink": 0.0, "journal": 0.0}
    for task in pathlib.Path(f"/proc/{pid}/task").iterdir():
        if os.sched_getaffinity(int(task.name)) != {WORKER}:
            used["sink" if (task / "comm").read_text().startswith("pump-") else "journal"] += cpu_s(task / "stat")
    return used


def wait_for_sinks(daemon):
    deadline = time.monotonic() + 10 * PATIENCE_S
    while any(sink["lag_records"] for sink in daemon.ctl("sink")["sinks"]) or daemon.ctl("leaderboard", HUNT)["lag_records"]:
        if time.monotonic() > deadline:
            fail("the sinks did not catch up")
        time.sleep(0.05)


def costs_once(directory, size, per_datagram):
    """What an event takes worker, journal and a sink, in ns of their cores, and events a second, when there is always one more."""
    daemon = Daemon(directory, PORT % directory, ids=int(MOST_PER_S * SECONDS), more=JOURNAL)
    before = control_s(daemon.process.pid)
    sent = blast(directory, "max", SECONDS, stamp=False, size=size, per_datagram=per_datagram)
    account = daemon.account()
    worker = next(lcore for lcore in daemon.ctl("lcores")["lcores"] if "shard" in lcore["roles"])
    wait_for_sinks(daemon)
    after = control_s(daemon.process.pid)
    daemon.stop()
    if account["lost"] or account["received"] != sent["sent"]:
        fail(f"{sent['sent']} events were sent, but the account is {account}")
    ns = {part: (after[part] - before[part]) * 1e9 / sent["sent"] for part in after}
    return {"worker": worker["busy_ns"] / sent["sent"], "journal": ns["journal"], "sink": ns["sink"] / PUMPS, "events_per_s": sent["sent_per_s"]}


def bench_capacity(directory, options):
    model = load_model()
    found = {}
    for size, per_datagram in LEARNT + PREDICTED:
        runs = [costs_once(directory, size, per_datagram) for _ in range(options.runs)]
        more = {"bytes": size, "per_datagram": per_datagram}
        figure("capacity", "events_per_s", [run["events_per_s"] for run in runs], "1/s", **more)
        found[size, per_datagram] = {}
        for part in ("worker", "journal", "sink"):
            figure("capacity", f"{part}_ns", [run[part] for run in runs], "ns", **more)
            found[size, per_datagram][part] = statistics.median(run[part] for run in runs)
    fitted = fit(found)
    costs = model.Costs(**fitted)
    for name, value in fitted.items():
        figure("capacity", f"cost_{name}", value, "ns")
    for size, per_datagram in PREDICTED:
        ns = model.worker_ns(costs, model.Load(size, per_datagram))
        figure("capacity", "prediction_error", ns / found[size, per_datagram]["worker"] - 1, "1", bytes=size, per_datagram=per_datagram)
    kept = {"machine": dict(machine())["processor"], "costs": fitted}
    (TOP / "bench/capacity.json").write_text(json.dumps(kept, indent=2) + "\n")


SCENARIOS = {"capacity": Scenario(bench_capacity, "the costs of scripts/capacity, and its predictions", huge=True)}
