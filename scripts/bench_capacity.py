"""bench_capacity.py - the costs that scripts/capacity reckons with, and how well it does.

capacity  the highest rate without loss for some sizes and numbers of events in a datagram, the data on tmpfs. From four of them
        scripts/capacity's costs are worked out (event_ns, byte_ns, datagram_ns) and kept in bench/capacity.json; the others are
        predicted: prediction_error is how far the prediction is from what was measured.
"""
import importlib.machinery
import importlib.util
import json
import pathlib
import shutil
import sys

from bench_lib import HERE, TOP, Scenario, fail, figure, note
from bench_link import highest_rates, once
from bench_results import machine

LEARNT = ((170, 1), (170, 5), (600, 1), (1200, 1))  # bytes of an event, events in a datagram
PREDICTED = ((340, 1), (340, 3), (900, 1))
SECONDS = 3


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


def fit(points):
    """(event_ns, byte_ns, datagram_ns) of {(bytes, per datagram): ns an event}."""
    return solve([(1, size, 1 / per_datagram) for size, per_datagram in points], list(points.values()))


def rates_of(directory, runs, size, per_datagram):
    disk = pathlib.Path(f"/dev/shm/{directory.name}")

    def attempt(rate):
        run = once(directory, str(int(rate)), SECONDS, expected=int(rate * SECONDS), nap="0s", stamp=False, disk=disk, size=size,
                   per_datagram=per_datagram)
        note(f"{size} bytes, {per_datagram} a datagram, {int(rate):,}/s: lost {run['lost']:,}")
        return run if run["lost"] == 0 and run["sent"]["held_rate"] else None

    try:
        rates, _ = highest_rates(attempt, runs, 100_000, 1_500_000)
    finally:
        shutil.rmtree(disk, ignore_errors=True)
    if not min(rates):
        fail("not even 100,000 events/s without loss: is the machine busy?")
    return rates


def bench_capacity(directory, options):
    model = load_model()
    found = {}
    for point in LEARNT + PREDICTED:
        rates = rates_of(directory, options.runs, *point)
        figure("capacity", "events_per_s", rates, "1/s", bytes=point[0], per_datagram=point[1], data="tmpfs")
        found[point] = 1e9 / sorted(rates)[len(rates) // 2]
    event_ns, byte_ns, datagram_ns = fit({point: found[point] for point in LEARNT})
    costs = model.Costs(event_ns=event_ns, byte_ns=byte_ns, datagram_ns=datagram_ns)
    for name in ("event_ns", "byte_ns", "datagram_ns"):
        figure("capacity", name, getattr(costs, name), "ns")
    for size, per_datagram in PREDICTED:
        ns = model.worker_ns(costs, model.Load(size, per_datagram))
        figure("capacity", "prediction_error", ns / found[size, per_datagram] - 1, "1", bytes=size, per_datagram=per_datagram)
    kept = {"machine": dict(machine())["processor"], "costs": {"event_ns": event_ns, "byte_ns": byte_ns, "datagram_ns": datagram_ns}}
    (TOP / "bench/capacity.json").write_text(json.dumps(kept, indent=2) + "\n")


SCENARIOS = {"capacity": Scenario(bench_capacity, "the costs of scripts/capacity, and its predictions", huge=True)}
