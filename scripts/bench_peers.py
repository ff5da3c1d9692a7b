"""bench_peers.py - what people would use instead, as a journal of events.

peers   beside udp's and durable's figures, on the same disk and cores: the peer has the worker's core, its clients the other. Events of 170 bytes.
        rsyslog and syslog-ng, from UDP into a file, over a veth pair and kernel sockets: events_per_s is the highest rate without loss,
        lost_share what they lose at 240,000/s; so does troved on AF_PACKET on the same link, with all of its work, journal and sinks,
        on that one core.
        jetstream: nats-server with a stream in a file, published without waiting, 4,096 messages unacknowledged, with message ids that
        it finds duplicates by ("dedupe") and without. rocksdb-sync: batches of puts, each synced, with a look-up of each id before
        ("dedupe") and without. events_per_s of both is bench "durable".
"""
import contextlib
import json
import os
import pathlib
import shutil
import subprocess
import time

from bench_cores import CONTROL, WORKER
from bench_http import Veth, beside_client
from bench_lib import PATIENCE_S, TOP, Scenario, caveat, end, fail, figure, make_catalog, note, run_blast, start
from bench_link import JOURNAL, highest_rates

PROGRAMS = TOP / "build-peers"
UNPACKED = PROGRAMS / "debian"
LOGGERS = ("rsyslog", "libestr0", "libfastjson4", "liblognorm5", "syslog-ng-core", "libivykis0", "libnet1", "libwrap0", "libjson-c5")
LIBRARIES = "usr/lib/x86_64-linux-gnu"
RECEIVE_BYTES = 64 << 20
RMEM_MAX = pathlib.Path("/proc/sys/net/core/rmem_max")
AT = (240_000,)
RATE_SECONDS = 2
SETTLED_S = 1.0
PENDING = 4096
BATCHES = (1, 64, 1024)

RSYSLOG = """\
global(workDirectory="{dir}" maxMessageSize="2k")
module(load="imudp" batchSize="256" timeRequery="16" threads="1")
template(name="raw" type="string" string="%rawmsg%\\n")
ruleset(name="all" queue.type="fixedArray" queue.size="1000000" queue.dequeueBatchSize="4096" queue.workerThreads="1") {{
    action(type="omfile" file="{file}" template="raw" ioBufferSize="256k" flushOnTXEnd="off" asyncWriting="off")
}}
input(type="imudp" port="7001" ruleset="all" rcvbufSize="64m")
"""
SYSLOG_NG = """\
@version: 3.35
options {{ threaded(yes); use-dns(no); keep-hostname(yes); log-fifo-size(2000000); stats-freq(0); }};
source s {{ network(transport("udp") ip("0.0.0.0") port(7001) flags(no-parse) so-rcvbuf(67108864) log-fetch-limit(1000) log-iw-size(100000)); }};
destination d {{ file("{file}" template("$MSG\\n") flush-lines(1000)); }};
log {{ source(s); destination(d); }};
"""


def unpack_loggers():
    """Both packages say that only one of them may be installed, and each would start a service: so they are unpacked, not installed."""
    if not (UNPACKED / "usr/sbin/rsyslogd").exists():
        UNPACKED.mkdir(parents=True, exist_ok=True)
        command = f"apt-get download -q {' '.join(LOGGERS)} && for p in *.deb; do dpkg-deb -x $p . && rm $p; done"
        for prepare in ("", "apt-get update -q && "):
            if not subprocess.run(["bash", "-ec", prepare + command], cwd=UNPACKED, capture_output=True, check=False).returncode:
                break
    return (UNPACKED / "usr/sbin/rsyslogd").exists()


@contextlib.contextmanager
def large_buffers():
    """What a socket may ask for, while the block runs."""
    before = RMEM_MAX.read_text()
    RMEM_MAX.write_text(str(RECEIVE_BYTES))
    try:
        yield
    finally:
        RMEM_MAX.write_text(before)


def start_logger(name, directory, veth):
    file = directory / "received"
    file.unlink(missing_ok=True)
    (directory / "conf").write_text((RSYSLOG if name == "rsyslog" else SYSLOG_NG).format(dir=directory, file=file))
    if name == "rsyslog":
        command = [UNPACKED / "usr/sbin/rsyslogd", "-n", "-f", directory / "conf", "-i", directory / "pid", "-M", UNPACKED / LIBRARIES / "rsyslog"]
    else:
        command = [UNPACKED / "usr/sbin/syslog-ng", "-F", "-f", directory / "conf", "-R", directory / "persist", "-p", directory / "pid", "-c",
                   directory / "ctl", f"--module-path={UNPACKED}/usr/lib/syslog-ng/3.38"]
    libraries = f"{UNPACKED / LIBRARIES}:{UNPACKED}/lib/x86_64-linux-gnu:{UNPACKED}/usr/lib/syslog-ng"
    log = open(directory / "log", "w", encoding="utf-8")
    server = start([*veth.inside("server"), "taskset", "-c", str(WORKER), *command], env={**os.environ, "LD_LIBRARY_PATH": libraries}, stdout=log,
                   stderr=log, stdin=subprocess.DEVNULL)
    deadline = time.monotonic() + PATIENCE_S
    while f":{7001:04X} " not in subprocess.run([*veth.inside("server"), "cat", "/proc/net/udp"], capture_output=True, text=True, check=True).stdout:
        if server.poll() is not None or time.monotonic() > deadline:
            fail(f"{name} did not start: " + (directory / "log").read_text()[-500:])
        time.sleep(0.05)
    return server, file


def send(directory, veth, rate):
    return run_blast(["--core", str(CONTROL), "--rate", str(int(rate)), "--duration", f"{RATE_SECONDS}s", "--catalog", directory / "catalog.tsv",
                      "--types", "view:80,purchase:20", "--size", "170", "udp://192.0.2.1:7001"], inside=veth.inside("client"))


def lines_at_rest(file):
    """How many lines the file has once it does not grow any more."""
    size, since = -1, time.monotonic()
    while time.monotonic() - since < SETTLED_S:
        now = file.stat().st_size if file.exists() else 0
        if now != size:
            size, since = now, time.monotonic()
        time.sleep(0.05)
    if not size:
        return 0
    return int(subprocess.run(["wc", "-l", file], capture_output=True, text=True, check=True).stdout.split()[0])


def logged(name, directory, rate):
    """What one rate loses at a peer."""
    with Veth("192.0.2.1/24") as veth:
        server, file = start_logger(name, directory, veth)
        sent = send(directory, veth, rate)
        server_lines = lines_at_rest(file)
        server.terminate()
        try:
            server.wait(timeout=10)
        except subprocess.TimeoutExpired:
            end(server)
        lines = max(server_lines, lines_at_rest(file))
    return {"sent": sent, "lost": sent["sent"] - lines}


def decided(_, directory, rate):
    """What one rate loses at troved on the same link."""
    with Veth() as veth:
        daemon = beside_client(directory, veth, int(rate * RATE_SECONDS * 1.2) + 1_000_000, JOURNAL)
        sent = send(directory, veth, rate)
        account = daemon.account()
        daemon.stop()
    return {"sent": sent, "lost": sent["sent"] - account["accepted"]}


def bench_logger(directory, options, name, run):
    """Its highest rate without loss, and what it loses at fixed ones."""
    def attempt(rate):
        found = run(name, directory, rate)
        note(f"{name or 'troved'}, {int(rate):,}/s: sent {found['sent']['sent_per_s']:,.0f}/s, lost {found['lost']:,}")
        return found if found["lost"] <= 0 and found["sent"]["held_rate"] else None

    more = {"link": "veth", "per_datagram": 1}
    rates, _ = highest_rates(attempt, options.runs, 5_000, 100_000)
    figure("udp", "events_per_s", rates, "1/s", peer=name, **more)
    for rate in AT:
        found = [run(name, directory, rate) for _ in range(options.runs)]
        figure("udp", "lost_share", [max(0, one["lost"]) / one["sent"]["sent"] for one in found], "1", rate, peer=name,
               sent_per_s=min(one["sent"]["sent_per_s"] for one in found), **more)


def bench_loggers(directory, options):
    make_catalog(directory)
    if not unpack_loggers():
        caveat("no figures of rsyslog and syslog-ng: their packages cannot be fetched here")
        return
    with large_buffers():
        for name, run in ((None, decided), ("rsyslog", logged), ("syslog-ng", logged)):
            bench_logger(directory, options, name, run)
    caveat("rsyslog and syslog-ng write the datagram's text to a file that nobody syncs: no JSON is looked at, no duplicate found, nothing decided, "
         "and what they lose nobody is told")


def build_programs():
    command = """. scripts/lib.sh
        install_missing $packages_build librocksdb-dev
        [ -f build-peers/build.ninja ] || run meson setup build-peers --buildtype=release -Dpeers=enabled -Dtests=disabled
        run ninja -C build-peers bench/peer-rocksdb bench/peer-jetstream"""
    run = subprocess.run(["bash", "-c", command], cwd=TOP, capture_output=True, text=True, check=False)
    if run.returncode:
        caveat(f"no figures of RocksDB and JetStream: {run.stdout[-300:]}{run.stderr[-300:]}")
    return not run.returncode


def peer(core, *args):
    run = subprocess.run(["taskset", "-c", str(core), *map(str, args)], capture_output=True, text=True, check=False)
    if run.returncode:
        fail(f"{args[0]}: {run.stderr.strip()}")
    return json.loads(run.stdout)


def bench_rocksdb(directory, options):
    for dedupe in (False, True):
        for batch in BATCHES:
            runs = []
            for _ in range(options.runs):
                place = directory / "rocksdb"
                shutil.rmtree(place, ignore_errors=True)
                runs.append(peer(WORKER, PROGRAMS / "bench/peer-rocksdb", place, options.seconds, batch, int(dedupe)))
                shutil.rmtree(place, ignore_errors=True)
            if dedupe and not min(run["known"] for run in runs):
                note("RocksDB found no duplicate: too few events")
            figure("durable", "events_per_s", [run["events_per_s"] for run in runs], "1/s", peer="rocksdb-sync", batch=batch, dedupe=dedupe)
            figure("durable", "durable_us_p99", [run["us"]["p99"] for run in runs], "us", peer="rocksdb-sync", batch=batch, dedupe=dedupe)
    caveat("RocksDB is a library in the writer's own thread: no network, no JSON, nothing decided; its ids are kept for ever")


def start_nats(directory):
    place = directory / "nats"
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir()
    server = start(["taskset", "-c", str(WORKER), "nats-server", "-a", "127.0.0.1", "-p", "0", "--ports_file_dir", place, "-js", "-sd", place, "-l",
                    place / "log"])
    deadline = time.monotonic() + PATIENCE_S
    while not (found := list(place.glob("*.ports"))) or not found[0].read_text():
        if server.poll() is not None or time.monotonic() > deadline:
            fail("nats-server did not start")
        time.sleep(0.05)
    return server, json.loads(found[0].read_text())["nats"][0]


def bench_jetstream(directory, options):
    if not shutil.which("nats-server"):
        caveat("no figure of jetstream: nats-server cannot be installed here")
        return
    for dedupe in (False, True):
        runs = []
        for _ in range(options.runs):
            server, url = start_nats(directory)
            runs.append(peer(CONTROL, PROGRAMS / "bench/peer-jetstream", url, options.seconds, PENDING, int(dedupe)))
            end(server)
        if any(run["faults"] for run in runs):
            fail(f"JetStream refused messages: {runs}")
        figure("durable", "events_per_s", [run["events_per_s"] for run in runs], "1/s", peer="jetstream", pending=PENDING, dedupe=dedupe)
    caveat("JetStream acknowledges what it has handed to the kernel and syncs every two minutes: a loss of power takes what was acknowledged; "
         "no JSON is looked at, nothing decided")


def bench_peers(directory, options):
    bench_loggers(directory, options)
    if build_programs():
        bench_jetstream(directory, options)
        bench_rocksdb(directory, options)


SCENARIOS = {"peers": Scenario(bench_peers, "rsyslog, syslog-ng, JetStream, RocksDB", seconds=5, packages="nats-server ethtool", huge=True)}
