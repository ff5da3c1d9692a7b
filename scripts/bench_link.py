"""bench_link.py - loads over the benchmark's link: trove-blast's virtio-user port joined to a vhost port of troved or of a peer."""
import json
import pathlib
import re
import signal
import subprocess
import threading

from bench_cores import CONTROL, WORKER
from bench_lib import BUILD, PATIENCE_S, Daemon, end, fail, figure, note, run_blast, start

PORT = "{ name: p0, device: 'net_vhost0,iface=%s/vhost.sock', address: 192.0.2.1/24, timestamp: trailer }"
JOURNAL = "journal: { group_commit: 1ms, buffer: 256MiB }"
SURGE = 1_000_000  # events/s, behind which a load is one
SURGE_NAP = "100us"  # of the generator in one, and in a load that ends in one
SEGMENT_BYTES, RECORDED_BYTES = 256 << 20, 320  # of a segment; of an event of 170 bytes and its outcome
TARGET = "dpdk://192.0.2.1:7001"
PERCENTILES = (("p50", 50.0), ("p99", 99.0), ("p999", 99.9), ("p9999", 99.99))


def vdev(directory):
    return ["--vdev", f"net_virtio_user0,path={directory}/vhost.sock,queue_size=16384,packed_vq=1", "--source-ip", "192.0.2.2", "--core", str(CONTROL),
            "--patience", "100ms", "--huge"]


def blast(directory, rate, duration=None, nap="20us", stamp=True, users=100_000, per_datagram=1, size=170, more=()):
    """The report of trove-blast, sending what a shop's clients would: 170 bytes an event, one in a hundred twice."""
    args = [*vdev(directory), "--nap", nap, "--rate", rate, "--users", str(users), "--catalog", directory / "catalog.tsv", "--zipf", "1.0",
            "--types", "view:80,purchase:20", "--size", str(size), "--duplicates", "1%", "--per-datagram", str(per_datagram), *more]
    if stamp:
        args += ["--stamp"]
    if duration:
        args += ["--duration", f"{duration}s"]
    return run_blast([*args, TARGET])


class LatencyLog:
    """While the block runs, a stage's latency goes into an interval log, second by second."""

    def __init__(self, daemon, stage, path, seconds):
        self.daemon, self.stage, self.path, self.seconds = daemon, stage, path, seconds
        self.thread = None

    def __enter__(self):
        if self.path:
            self.thread = threading.Thread(target=self.daemon.ctl, args=("latency", "--stage", self.stage, "--hlog", str(self.path), "--hgrm",
                                                                         str(pathlib.Path(self.path).with_suffix(".hgrm")), "--for",
                                                                         f"{self.seconds}s"))
            self.thread.start()

    def __exit__(self, *_):
        if self.thread:
            self.thread.join()


def stage_percentiles(daemon, stage):
    found = daemon.ctl("latency", "--stage", stage)["stages"][0]
    return {p["percentile"]: p["us"] for p in found["percentiles"]}


def once(directory, rate, duration=None, expected=10_000_000, hlog=None, disk=None, port=PORT, more="", **how):
    """A fresh daemon, one load, its figures. Whatever does not add up ends the benchmark.
    In a surge the segments that it fills are ready when it begins (journal.ahead), as they would be behind quieter hours; and the
    generator sends what has become due in 100 us at once: to wake up fifty thousand times a second takes a fifth of the core that it
    shares with the journal, and longer bursts are harder on the worker, not easier."""
    surge = rate.isdecimal() and int(rate) > SURGE
    journal = JOURNAL
    if surge:
        journal = JOURNAL.replace(" }", f", ahead: {1 + expected * RECORDED_BYTES // SEGMENT_BYTES} }}")
        how = {"nap": SURGE_NAP, **how}
    daemon = Daemon(directory, port % directory, ids=max(1_000_000, int(expected * 1.1)), more=f"{journal}\n{more}", data=disk)
    # The generator takes some seconds to open its port; seconds without an event are not drawn.
    with LatencyLog(daemon, "decision", hlog, (duration or 12) + 5):
        sent = blast(directory, rate, duration, **how)
    account = daemon.account()
    lcores = daemon.ctl("status")["lcores"]
    percentiles = {stage: stage_percentiles(daemon, stage) for stage in ("decision", "durable")}
    daemon.stop()
    # A packet that a port lost counts as one event, whatever was in it.
    lost = sent["sent"] - sum(account[kind] for kind in ("accepted", "duplicate", "rejected", "refused"))
    if lost < 0 or (sent["sent"] == sent["datagrams"] and lost != account["lost"]):
        fail(f"sent {sent['sent']}, of which {lost} were not decided, but the account is {account}")
    return {"sent": sent, "lost": lost + sent["unsent"], "events_per_s": sent["sent_per_s"], "lag_p999": sent["lag_us"]["p999"],
            "busy": max(lcore["busy"] for lcore in lcores), **percentiles}


def latency_figures(bench, stage, runs, at, **more):
    for name, percentile in PERCENTILES:
        figure(bench, f"{stage}_us_{name}", [run[stage][percentile] for run in runs], "us", at, **more)


def jitters(cores, seconds):
    """What the machine takes from cores that only read their clocks, or only work, all at once: trove-jitter's reports."""
    spins = [start([BUILD / "bench/trove-jitter", str(core), str(seconds)], stdout=subprocess.PIPE) for core in cores]
    return [json.loads(spin.communicate()[0]) for spin in spins]


def jitter_figures(bench, seconds):
    """That of the worker's core alone, and of it when both are at it, as in the runs."""
    for cores in ([WORKER], [CONTROL, WORKER]):
        found = jitters(cores, seconds)[-1]
        for name in ("p999", "p9999"):
            figure(bench, f"idle_jitter_us_{name}", found[f"{name}_us"], "us", peer="machine", cores_busy=len(cores),
                   worst=found["max_us"])
        work_figure(bench, [found], cores_busy=len(cores))


def work_figure(bench, found, **more):
    """How long the worker's core took for the same work, at times beside the runs. Above the least it was slower than it can be."""
    least = min(one["work_least_us"] for one in found)
    figure(bench, "core_work_us", [one["work_us"] for one in found], "us", peer="machine", least=least, **more)


def highest_rate(attempt, low, first, step=1.6, within=1.05):
    """The highest rate that attempt(rate) holds, by steps up and then by bisection, and what it returned there: (None, None) where it
    does not even hold `low`. attempt returns what is true when the rate was held. What one attempt does not hold is tried once more:
    a shared machine takes a core away for longer than any queue is (as MLRsearch, draft-ietf-bmwg-mlrsearch, with an exceed ratio of
    one half)."""
    high, best, rate = None, None, first
    while high is None or high > low * within:
        found = attempt(rate) or attempt(rate)
        if found:
            low, best = rate, found
        else:
            high = rate
            if not best and rate <= low * within:
                return None, None
        rate = (low + high) / 2 if high else rate * step
    return low, best


def highest_rates(attempt, runs, low, first):
    """highest_rate so many times, each around the one before: the rates (0: not even `low`), and what the last found one returned."""
    rates, best = [], None
    for _ in range(runs):
        rate, found = (None, None)
        if rates and rates[-1]:
            rate, found = highest_rate(attempt, rates[-1] * 0.8, rates[-1], step=1.1)
        if not found:
            rate, found = highest_rate(attempt, low, first)
        rates.append(rate if found else 0)
        best = found or best
    return rates, best


def testpmd_rate(directory, seconds, size=170):
    """Datagrams a second that the generator sends at full rate into dpdk-testpmd, which only takes and drops them; and that it took."""
    socket, waited = directory / "vhost.sock", threading.Event()
    socket.unlink(missing_ok=True)
    server = start(["dpdk-testpmd", "--lcores", f"0@{CONTROL},1@{WORKER}", "--in-memory", "--single-file-segments", "--no-telemetry", "--no-pci",
                    "--file-prefix", "bench-testpmd", "--vdev", f"net_vhost0,iface={directory}/vhost.sock", "--", "--forward-mode=rxonly",
                    "--auto-start", "--nb-cores=1", "--rxd=1024", "--stats-period=1"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                   stdin=subprocess.DEVNULL, text=True)
    said = []
    reader = threading.Thread(target=lambda: said.extend(server.stdout))
    reader.start()
    for _ in range(PATIENCE_S * 10):
        if socket.exists() or server.poll() is not None:
            break
        waited.wait(0.1)
    waited.wait(1)
    sent = blast(directory, "max", seconds, nap="0s", stamp=False, more=["--target-mac", "02:00:00:00:00:01"])
    waited.wait(1.5)
    server.send_signal(signal.SIGINT)
    try:
        server.wait(timeout=20)
    except subprocess.TimeoutExpired:
        end(server)
    reader.join()
    socket.unlink(missing_ok=True)
    taken = [int(count) for count in re.findall(r"RX-packets: (\d+)", "".join(said))]
    if not taken:
        note("testpmd counted nothing:\n" + "".join(said)[-500:])
        return None
    return {"sent_per_s": sent["sent_per_s"], "unsent": sent["unsent"], "taken": max(taken), "sent": sent["datagrams"], "bytes": size}
