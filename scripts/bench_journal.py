"""bench_journal.py - what scripts/bench measures of the disk: replay, recovery, and how soon an event is durable.

replay  --seconds of 240,000 events/s of udp's kind, written once by trove-history through the daemon's shard and journal, and `trovectl
        replay --verify` of it on the worker's core alone: events_per_s, what was read being in the page cache from the second run on.

recovery  10 million users in a checkpoint and a tail of 60 s at 240,000 events/s: how long a start of troved takes to recover them
        (recover_s), and until it is ready (ready_s), which includes taking the memory. It takes 8 GiB of disk.

durable udp's load at 240,000 events/s, wire to durable by io_uring and by pwritev2, and with the data directory in memory ("data":
        tmpfs), which is what is left without the disk and without what it costs this machine; the same with a checkpoint begun every second, and
        how many times the p99.9 without one that is (no figure where a run made none); then what trove-history gets through one worker core, parsing, shard and journal, from
        the first byte parsed to the last sync, beside XADD and SET of Redis with appendfsync always, 64 commands in a round trip.
"""
import json
import re
import shutil
import signal
import statistics
import subprocess
import tempfile
import time

from bench_cores import WORKER
from bench_lib import BUILD, PATIENCE_S, Daemon, Scenario, caveat, changed, config_text, fail, figure, make_catalog, start
from bench_link import PORT, blast
from bench_redis import redis_peer, redis_rate

RATE = 240_000
USERS = 10_000_000
JOURNAL = "journal: {{ buffer: 256MiB, io: {io}, checkpoint: {checkpoint} }}"
PIPELINE = 64  # commands in a round trip of the peer


class Past:
    """A data directory that trove-history fills: its configuration, and what that printed."""

    def __init__(self, directory, users, ids):
        self.dir, self.items = directory, make_catalog(directory)
        self.config = directory / "bench.yaml"
        text = config_text(directory, PORT % directory, ids, JOURNAL.format(io="auto", checkpoint="30s"))
        self.config.write_text(changed(changed(text, "users: 400_000", f"users: {users}"), "huge_pages: on", "huge_pages: off"))

    def write(self, *args):
        """A fresh directory; all figures of trove-history by name."""
        shutil.rmtree(self.dir / "data", ignore_errors=True)
        run = subprocess.run([BUILD / "bench/trove-history", "--config", self.config, "--catalog", self.dir / "catalog.tsv", "--core", str(WORKER),
                              *map(str, args)], capture_output=True, text=True, check=False)
        if run.returncode:
            fail("trove-history: " + run.stderr.strip())
        return {one["figure"]: one["value"] for one in map(json.loads, run.stdout.splitlines())}


# ---- replay ----

def replay_once(directory, *prefix):
    run = subprocess.run([*prefix, BUILD / "dataplane/trovectl", "replay", "--data-dir", directory / "data", "--verify", "--json"],
                         capture_output=True, text=True, check=False)
    if run.returncode:
        fail("trovectl replay: " + run.stderr.strip())
    report = json.loads(run.stdout)
    if report["different"] or not report["events"]:
        fail(f"what was replayed differs: {report}")
    return report["events"] / report["seconds"]


def bench_replay(directory, options):
    """--seconds of the rate, written once, replayed --runs times on the worker's core."""
    events = RATE * options.seconds
    past = Past(directory, 500_000, int(events * 1.1) + 1_000_000)
    past.write("--events", events)
    figure("replay", "events_per_s", [replay_once(directory, "taskset", "-c", str(WORKER)) for _ in range(options.runs)], "1/s", at=events, cores=1)


# ---- recovery ----

def users_in_room(users, events):
    """Who has begun the trail, and who begins a basket: a fifth of the events are purchases."""
    return int(users * 1.05) + 500_000 + events // 4


def recover_once(past, events):
    """Starts troved on the directory as it is, until it is ready; killed then, it finds the same again."""
    log_path = past.dir / "troved.log"
    (past.dir / "vhost.sock").unlink(missing_ok=True)  # of the one before, which was killed
    with open(log_path, "w", encoding="utf-8") as log:
        process = start([BUILD / "dataplane/troved", "--config", past.config], stderr=log)
        began = time.monotonic()
        while " ready: " not in log_path.read_text():
            if process.poll() is not None or time.monotonic() > began + 20 * PATIENCE_S:
                fail("troved did not start:\n" + log_path.read_text())
            time.sleep(0.01)
        ready_s = time.monotonic() - began
        process.send_signal(signal.SIGKILL)
        process.wait()
    found = re.search(r"recovered: (\d+) events .* (\d+) differences; (\S+), ([\d.]+) s", log_path.read_text())
    if not found or int(found[2]) or not found[3].endswith(".ckp") or int(found[1]) < events * 0.9:
        fail("troved did not recover what was written:\n" + log_path.read_text())
    return float(found[4]), ready_s


def bench_recovery(directory, options):
    """Ten million users in a checkpoint and 60 s of the rate behind it; shorter runs (--seconds) have fewer of both."""
    users, events = USERS * min(options.seconds, 60) // 60, RATE * options.seconds
    past = Past(directory, users_in_room(users, events), int((users + events) * 1.1) + 1_000_000)
    past.write("--begin", past.items[0], "--users", users, "--among", users, "--events", events)
    runs = [recover_once(past, events) for _ in range(options.runs)]
    for name, at in (("recover_s", 0), ("ready_s", 1)):
        figure("recovery", name, [run[at] for run in runs], "s", RATE, users=users, tail_s=options.seconds)


# ---- durable ----

def durable_once(directory, seconds, io, checkpoint, data=None):
    """Wire-to-durable by percentile, at the rate."""
    daemon = Daemon(directory, PORT % directory, ids=max(1_000_000, int(RATE * seconds * 1.1)), more=JOURNAL.format(io=io, checkpoint=checkpoint),
                    data=data)
    sent = blast(directory, str(RATE), seconds)
    account = daemon.account()
    made = daemon.ctl("status")["checkpoint"]["made"]
    stage = daemon.ctl("latency", "--stage", "durable")["stages"][0]
    daemon.stop()
    if account["received"] != sent["sent"]:
        fail(f"sent {sent['sent']} but received {account['received']}")
    found = {p["percentile"]: p["us"] for p in stage["percentiles"]}
    return {"p50": found[50.0], "p99": found[99.0], "p999": found[99.9], "lost": account["lost"] + sent["unsent"], "checkpoints": made}


def durable_figures(runs, **more):
    figure("durable", "lost", [run["lost"] for run in runs], "1", RATE, **more)
    for name in ("p50", "p99", "p999"):
        figure("durable", f"durable_us_{name}", [run[name] for run in runs], "us", RATE, since="planned send", **more)


def checkpoint_figures(calm, busy):
    """What checkpoints cost: only where every run that was to have some had some."""
    if not all(run["checkpoints"] for run in busy):
        caveat(f"durable: no figures beside checkpoints: {sum(not run['checkpoints'] for run in busy)} of {len(busy)} runs that were to have some made none")
        return
    durable_figures(busy, io="auto", checkpoints=statistics.median(run["checkpoints"] for run in busy))
    figure("durable", "checkpoint_p999_ratio", [b["p999"] / c["p999"] for b, c in zip(busy, calm)], "1", RATE)


def redis_rates(directory, runs):
    """The peer's best, every reply after a sync."""
    event = "x" * 170
    commands = {"XADD": ["XADD", "events", "MAXLEN", "~", "1000000", "*", "event", event], "SET": ["SET", "event:__rand_int__", event]}
    with redis_peer(directory, "--appendonly", "yes", "--appendfsync", "always") as sock:
        if not sock:
            return {}
        rates = {name: [redis_rate(sock, 1_000_000, PIPELINE, 10**6, *command) for _ in range(runs)] for name, command in commands.items()}
    for name, values in rates.items():
        figure("durable", "events_per_s", values, "1/s", peer=f"redis {name}", pipeline=PIPELINE)
    return rates


def bench_durable(directory, options):
    """The two ways to the disk in turn; then with a checkpoint begun every second, beside none; then as fast as it goes."""
    for io in ("io_uring", "sync"):
        durable_figures([durable_once(directory, options.seconds, io, "1h") for _ in range(options.runs)], io=io)
    calm, busy = [], []
    for _ in range(options.runs):
        calm.append(durable_once(directory, options.seconds, "auto", "1h"))
        busy.append(durable_once(directory, options.seconds, "auto", "1s"))
    durable_figures(calm, io="auto", checkpoints=0)
    with tempfile.TemporaryDirectory(prefix="trove-bench-", dir="/dev/shm") as memory:
        durable_figures([durable_once(directory, options.seconds, "auto", "1h", memory) for _ in range(options.runs)], io="auto", data="tmpfs")
    checkpoint_figures(calm, busy)
    past = Past(directory, 500_000, 6_000_000)
    ours = [past.write("--events", 4_000_000)["durable_events_per_s"] for _ in range(options.runs)]
    figure("durable", "events_per_s", ours, "1/s", cores=1)
    for name, theirs in redis_rates(directory, options.runs).items():
        figure("durable", "ratio", [statistics.median(ours) / rate for rate in theirs], "1", peer=f"redis {name}")


SCENARIOS = {
    "replay": Scenario(bench_replay, "a journal decided once more", seconds=30),
    "recovery": Scenario(bench_recovery, "a start with 10 million users and a tail of a minute", seconds=60),
    "durable": Scenario(bench_durable, "wire to disk, beside Redis", seconds=30, packages="redis-server redis-tools", huge=True),
}
