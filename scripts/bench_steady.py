"""bench_steady.py - what happens to a load that goes on.

reload  240,000 events/s held while configurations are applied twice a second, each of which changes a hunt: reload_ms_max, the longest that
        `trovectl conf apply` took; decision_us of the same load beside it, without and with them; lost must be 0.
soak    240,000 events/s held for --seconds: the account balances, nothing is lost, and neither memory nor open files grow: rss_growth_bytes
        is what the process has grown by from the first fifth of the time to the last. It takes 70 MB of disk a second.
"""
import os
import pathlib
import threading
import time

from bench_lib import Daemon, Scenario, fail, figure
from bench_link import JOURNAL, PORT, blast, latency_figures, once, stage_percentiles

STEADY = 240_000
APPLY_EVERY_S = 0.5
LOOK_EVERY_S = 1.0


class Repeated:
    """While the block runs, what(n) is called every so many seconds; found has what it returned."""

    def __init__(self, every_s, what):
        self.every_s, self.what = every_s, what
        self.stop, self.found, self.fault = threading.Event(), [], None
        self.thread = threading.Thread(target=self.run)

    def run(self):
        next_s = time.monotonic()
        try:
            while not self.stop.wait(max(0, next_s - time.monotonic())):
                self.found.append(self.what(len(self.found)))
                next_s += self.every_s
        except (Exception, SystemExit) as error:  # is told in the thread that can end the benchmark
            self.fault = error

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.stop.set()
        self.thread.join()
        if self.fault:
            fail(f"{type(self.fault).__name__}: {self.fault}")


def applier(daemon):
    """apply(n) makes one of two configurations the running one, and returns how many ms that took."""
    files = []
    for threshold in ("2.0", "2.1"):
        files.append(daemon.dir / f"threshold-{threshold}.yaml")
        files[-1].write_text(daemon.file.read_text().replace("threshold: 2.0", f"threshold: {threshold}"))

    def apply(n):
        began = time.monotonic()
        answer = daemon.ctl("conf", "apply", str(files[(n + 1) % 2]))
        if not answer["changes"] or answer["pending"]:
            fail(f"a configuration was not taken up: {answer}")
        return (time.monotonic() - began) * 1000
    return apply


def reload_once(directory, seconds):
    daemon = Daemon(directory, PORT % directory, ids=int(STEADY * seconds * 1.1) + 1_000_000, more=JOURNAL)
    with Repeated(APPLY_EVERY_S, applier(daemon)) as applied:
        sent = blast(directory, str(STEADY), seconds)
    account = daemon.account()
    decision = stage_percentiles(daemon, "decision")
    daemon.stop()
    return {"lost": account["lost"] + sent["unsent"], "ms": max(applied.found), "count": len(applied.found), "decision": decision}


def bench_reload(directory, options):
    still, moved = [], []
    for _ in range(options.runs):  # in turn, so that what the machine does meanwhile meets both
        still.append(once(directory, str(STEADY), options.seconds, STEADY * options.seconds))
        moved.append(reload_once(directory, options.seconds))
    figure("reload", "reload_ms_max", [run["ms"] for run in moved], "ms", STEADY)
    figure("reload", "applied", [run["count"] for run in moved], "1", STEADY)
    for runs, applied in ((still, 0), (moved, 2)):
        figure("reload", "lost", [run["lost"] for run in runs], "1", STEADY, applied_per_s=applied)
        latency_figures("reload", "decision", runs, STEADY, since="planned send", applied_per_s=applied)


def process_looks(pid):
    """(bytes in memory, open files) of a process."""
    pages = int(pathlib.Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE"), len(os.listdir(f"/proc/{pid}/fd"))


def soak_once(directory, options, n):
    daemon = Daemon(directory, PORT % directory, ids=int(STEADY * options.seconds * 1.1) + 1_000_000, more=JOURNAL)
    with Repeated(LOOK_EVERY_S, lambda _: process_looks(daemon.process.pid)) as looks:
        hlog = ["--hlog", options.out / "soak.hlog"] if options.out and n == 0 else []
        sent = blast(directory, str(STEADY), options.seconds, more=hlog)
    account = daemon.account()
    decision = stage_percentiles(daemon, "decision")
    daemon.stop()
    fifth = max(1, len(looks.found) // 5)
    first, last = looks.found[:fifth], looks.found[-fifth:]
    return {"sent": sent["sent"], "lost": account["lost"] + sent["unsent"], "decision": decision,
            "rss": max(rss for rss, _ in last) - max(rss for rss, _ in first), "files": max(fds for _, fds in last) - max(fds for _, fds in first)}


def bench_soak(directory, options):
    runs = [soak_once(directory, options, 0)]  # long, so once
    figure("soak", "events", [run["sent"] for run in runs], "1", STEADY)
    figure("soak", "lost", [run["lost"] for run in runs], "1", STEADY)
    figure("soak", "rss_growth_bytes", [run["rss"] for run in runs], "B", STEADY)
    figure("soak", "open_files_growth", [run["files"] for run in runs], "1", STEADY)
    latency_figures("soak", "decision", runs, STEADY, since="planned send")


SCENARIOS = {
    "reload": Scenario(bench_reload, "latency while configurations are applied twice a second", seconds=10, huge=True),
    "soak": Scenario(bench_soak, "a load that goes on: memory, files, counters", seconds=120, huge=True),
}
