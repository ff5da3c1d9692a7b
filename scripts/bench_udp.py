"""bench_udp.py - events by datagram.

udp     trove-blast over virtio-user against troved's vhost port, one 170-byte event a datagram, journal and file sink on:
        240,000 events/s held (median of --runs runs of --seconds each), a ramp 2k to 240k to 1.2M events/s, and the highest
        rate without loss, by bisection. Latency is wire to decision; "since" says what counts as the wire's time: the planned
        send time, which the generator stamps behind each packet, so that a late generator and a full queue count against
        the figure; or the moment at which the port gave the packet. Beside it stands, before and after, what the machine
        takes from cores that only read their clocks: no figure can be better than that.
"""
import json
import subprocess

from bench_lib import BUILD, Daemon, Scenario, fail, figure, note, run_blast, start

PORT = "{ name: p0, device: 'net_vhost0,iface=%s/vhost.sock', address: 192.0.2.1/24, timestamp: trailer }"
JOURNAL = "journal: { group_commit: 1ms, buffer: 256MiB }"


def blast(directory, rate, duration, nap, stamp, users=100_000):
    args = ["--vdev", f"net_virtio_user0,path={directory}/vhost.sock,queue_size=16384", "--source-ip", "192.0.2.2", "--core", "0", "--nap",
            nap, "--patience", "10ms", "--huge", "--rate", rate, "--users", str(users), "--catalog", directory / "catalog.tsv", "--zipf",
            "1.0", "--types", "view:80,purchase:20", "--size", "170", "--duplicates", "1%"]
    if stamp:
        args += ["--stamp"]
    if duration:
        args += ["--duration", f"{duration}s"]
    return run_blast([*args, "dpdk://192.0.2.1:7001"])


def once(directory, rate, duration=None, expected=10_000_000, nap="20us", stamp=True):
    """A fresh daemon, one load, its figures. Whatever does not add up ends the benchmark."""
    daemon = Daemon(directory, PORT % directory, ids=max(1_000_000, int(expected * 1.1)), more=JOURNAL)
    sent = blast(directory, rate, duration, nap, stamp)
    account = daemon.account()
    latency = daemon.ctl("latency", "--stage", "decision")["stages"][0]
    durable = daemon.ctl("latency", "--stage", "durable")["stages"][0]
    daemon.stop()
    if account["received"] != sent["sent"]:
        fail(f"sent {sent['sent']} but received {account['received']}")
    percentiles = {p["percentile"]: p["us"] for p in latency["percentiles"]}
    return {"sent": sent, "lost": account["lost"] + sent["unsent"], "p50": percentiles[50.0], "p99": percentiles[99.0],
            "p999": percentiles[99.9], "p9999": percentiles[99.99], "max": latency["max_us"],
            "durable": {p["percentile"]: p["us"] for p in durable["percentiles"]},
            "events_per_s": sent["sent_per_s"], "lag_p999": sent["lag_us"]["p999"]}


def latency_figures(bench, runs, at, since):
    for name in ("p50", "p99", "p999", "p9999"):
        figure(bench, f"decision_us_{name}", [run[name] for run in runs], "us", at, since=since)


def send_figures(bench, runs, at):
    latency_figures(bench, runs, at, "planned send")
    figure(bench, "generator_lag_us_p999", [run["lag_p999"] for run in runs], "us", at)
    for name, percentile in (("p50", 50.0), ("p99", 99.0), ("p999", 99.9)):
        figure(bench, f"durable_us_{name}", [run["durable"][percentile] for run in runs], "us", at, since="planned send")


def jitter_figures(seconds):
    """What the cores do when they only read their clocks: the worker's alone, and both at once, as in the runs."""
    for cores in (["1"], ["0", "1"]):
        spins = [start([BUILD / "bench/trove-jitter", core, str(seconds)], stdout=subprocess.PIPE) for core in cores]
        found = [json.loads(spin.communicate()[0]) for spin in spins]
        for name in ("p999", "p9999"):
            figure("udp", f"idle_jitter_us_{name}", found[-1][f"{name}_us"], "us", cores_busy=len(cores), worst=found[-1]["max_us"])


def highest_rate(directory, seconds):
    """The highest rate, to 5 %, that a run of some seconds holds without losing an event."""
    low, high, best = 240_000, None, None
    rate = 1_000_000
    while high is None or high > low * 1.05:
        run = once(directory, str(int(rate)), seconds, expected=int(rate * seconds), nap="0s")
        held = run["lost"] == 0 and run["sent"]["held_rate"]
        note(f"{int(rate):,}/s: sent {run['events_per_s']:,.0f}/s, lost {run['lost']:,}")
        if held:
            low, best = rate, run
        else:
            high = rate
        rate = (low + high) / 2 if high else rate * 1.6
    return low, best


def bench_udp(directory, options):
    jitter_figures(10)
    steady = 240_000
    runs = [once(directory, "240k", options.seconds, steady * options.seconds) for _ in range(options.runs)]
    figure("udp", "sent_per_s", [run["events_per_s"] for run in runs], "1/s", steady)
    figure("udp", "lost", [run["lost"] for run in runs], "1", steady)
    send_figures("udp", runs, steady)
    runs = [once(directory, "240k", options.seconds, steady * options.seconds, stamp=False) for _ in range(options.runs)]
    figure("udp", "lost", [run["lost"] for run in runs], "1", steady)
    latency_figures("udp", runs, steady, "port")
    ramp = [once(directory, "2k..240k/5s,240k..1200k/5s,1200k/2s", None, 8_000_000) for _ in range(options.runs)]
    figure("ramp", "lost", [run["lost"] for run in ramp], "1", "2k..1.2M")
    figure("ramp", "events", [run["sent"]["sent"] for run in ramp], "1", "2k..1.2M")
    send_figures("ramp", ramp, "2k..1.2M")
    jitter_figures(10)
    rate, run = highest_rate(directory, 4)
    if run:
        figure("udp", "events_per_s", run["events_per_s"], "1/s", int(rate))


SCENARIOS = {"udp": Scenario(bench_udp, "events by datagram: rate without loss, latency, ramp", seconds=30, huge=True)}
