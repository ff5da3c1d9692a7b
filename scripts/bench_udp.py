"""bench_udp.py - events by datagram over virtio-user.

udp     trove-blast over virtio-user against troved's vhost port, 170-byte events, every hunt, journal and file sink on. events_per_s is the
        highest rate without loss, to 5 %, by bisection, with one event a datagram and with five. A rate is held when one of two attempts of
        4 s sends every event in time, within 1 %, and none is lost; where the ring is full, the generator waits up to 100 ms for room, and
        what waits is late. Above 1M/s the segments that a run fills are ready when it begins (journal.ahead), and the generator sends what
        has become due every 100 us. Then latency is taken at 240,000/s and at 10, 50 and 90 % of the rate found.
        decision_us is wire to decision, durable_us wire to fdatasync; "since" says what counts as the wire's time: the planned
        send time, which the generator stamps behind each packet, so that a late generator and a full queue count against
        the figure; or the moment at which the port gave the packet. Beside it stands, before and after, what the machine
        takes from cores that only read their clocks (idle_jitter_us): no figure can be better than that. core_work_us is how long the
        worker's core took for the same work before each attempt at a rate, "least" what it takes at its best: on a shared machine a
        core slows down without a gap in its clock, and the rates move with it.
        generator_per_s is what trove-blast sends at full rate to dpdk-testpmd, which only takes and drops: the limit of link and
        generator, and "limit" says so where our rate is over half of it.
diskless  the rates of udp with everything on but the disk: the data directory is in memory ("data": "tmpfs"), into which the core that
        generates then copies what a disk would have fetched by itself.
ramp    2k to 240k to 1.2M events/s in 10 s, then 2 s there (five times 240k): lost must be 0.
idle    what `idle: poll`, `pause` and `sleep` cost in latency at 2,000 events/s, and how busy the core's clock is.
"""
import shutil
import tempfile

from bench_lib import WORKER, Scenario, caveat, figure, make_catalog, note
from bench_link import SURGE_NAP, highest_rates, jitter_figures, jitters, latency_figures, once, testpmd_rate, work_figure

STEADY = 240_000
RAMP = "2k..240k/5s,240k..1200k/5s,1200k/2s"
RATE_SECONDS = 4


def files(options, name):
    """Where the histograms of a run go, if anywhere."""
    return options.out / f"{name}.hlog" if options.out else None


def rates_found(directory, options, **how):
    """The highest rates without loss, one a run; and what the worker's core was able to do before each attempt."""
    cores = []

    def attempt(rate):
        cores.extend(jitters([WORKER], 1))
        run = once(directory, str(int(rate)), RATE_SECONDS, expected=int(rate * RATE_SECONDS), stamp=False, **how)
        note(f"{int(rate):,}/s: sent {run['events_per_s']:,.0f}/s, lost {run['lost']:,}; the core's work took {cores[-1]['work_us']} us")
        return run if run["lost"] == 0 and run["sent"]["held_rate"] else None

    return highest_rates(attempt, options.runs, STEADY / 2, 1_600_000)[0], cores


def bench_rates(directory, options, limit, disk=None, **more):
    """The rates found, by events in a datagram."""
    found = {}
    for per_datagram in (1, 5):
        rates, cores = rates_found(directory, options, per_datagram=per_datagram, disk=disk)
        limited = {"limit": "generator"} if limit and max(rates) > limit * per_datagram / 2 else {}
        figure("udp", "events_per_s", rates, "1/s", per_datagram=per_datagram, **limited, **more)
        work_figure("udp", cores, per_datagram=per_datagram, **more)
        found[per_datagram] = sorted(rates)[len(rates) // 2]
    return found


def bench_latency(directory, options, at, label):
    """At one rate, stamped and not."""
    for since, stamp in (("planned send", True), ("port", False)):
        runs = []
        for n in range(options.runs):
            hlog = files(options, f"udp-{label}-{'planned' if stamp else 'port'}") if n == 0 else None
            runs.append(once(directory, str(int(at)), options.seconds, int(at * options.seconds), hlog=hlog, stamp=stamp))
        more = {"since": since, "load": label}
        figure("udp", "lost", [run["lost"] for run in runs], "1", int(at), **more)
        figure("udp", "sent_per_s", [run["events_per_s"] for run in runs], "1/s", int(at), **more)
        latency_figures("udp", "decision", runs, int(at), **more)
        latency_figures("udp", "durable", runs, int(at), **more)
        if stamp:
            figure("udp", "generator_lag_us_p999", [run["lag_p999"] for run in runs], "us", int(at), load=label)


def bench_generator(directory, options):
    if not shutil.which("dpdk-testpmd"):
        caveat("no figure of testpmd: dpdk-dev cannot be installed here")
        return None
    make_catalog(directory)
    runs = [run for run in (testpmd_rate(directory, RATE_SECONDS) for _ in range(options.runs)) if run]
    if not runs:
        return None
    figure("udp", "generator_per_s", [run["sent_per_s"] for run in runs], "1/s", server="testpmd")
    figure("udp", "packets_per_s", [run["taken"] * run["sent_per_s"] / run["sent"] for run in runs], "1/s", peer="testpmd")
    caveat("testpmd takes packets and drops them: it reads nothing, decides nothing, keeps nothing")
    return min(run["sent_per_s"] for run in runs)


def bench_udp(directory, options):
    jitter_figures("udp", 10)
    limit = bench_generator(directory, options)
    found = bench_rates(directory, options, limit)
    bench_latency(directory, options, STEADY, "240k")
    for share in (10, 50, 90):
        bench_latency(directory, options, found[1] * share / 100, f"{share} %")
    jitter_figures("udp", 10)


def bench_diskless(directory, options):
    make_catalog(directory)
    with tempfile.TemporaryDirectory(prefix="trove-bench-", dir="/dev/shm") as memory:
        bench_rates(directory, options, None, memory, data="tmpfs")


def bench_ramp(directory, options):
    jitter_figures("ramp", 10)
    for since, stamp in (("planned send", True), ("port", False)):
        runs = [once(directory, RAMP, None, 8_000_000, hlog=files(options, "ramp") if stamp and n == 0 else None, stamp=stamp, nap=SURGE_NAP)
                for n in range(options.runs)]
        figure("ramp", "lost", [run["lost"] for run in runs], "1", "2k..1.2M", since=since)
        figure("ramp", "events", [run["sent"]["sent"] for run in runs], "1", "2k..1.2M", since=since)
        for stage in ("decision", "durable"):
            latency_figures("ramp", stage, runs, "2k..1.2M", since=since)
        figure("ramp", "generator_lag_us_p999", [run["lag_p999"] for run in runs], "us", "2k..1.2M", since=since)


def bench_idle(directory, options):
    for idle in ("poll", "pause", "sleep"):
        runs = [once(directory, "2k", options.seconds, stamp=False, more=f"idle: {idle}") for _ in range(options.runs)]
        latency_figures("idle", "decision", runs, 2000, since="port", idle=idle)


SCENARIOS = {
    "udp": Scenario(bench_udp, "events by datagram: rate without loss, latency at shares of it", seconds=10, packages="dpdk-dev", huge=True),
    "diskless": Scenario(bench_diskless, "the rates of udp without the disk", huge=True),
    "ramp": Scenario(bench_ramp, "2k to 1.2M events/s in 10 s", huge=True),
    "idle": Scenario(bench_idle, "what it costs to let an idle core rest", seconds=5, huge=True),
}
