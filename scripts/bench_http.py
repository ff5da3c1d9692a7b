"""bench_http.py - POSTs from trove-blast over virtio-user, and from wrk over veth beside nginx.

http    POST /v1/events, each event new, journal and file sink on, with "ack" accepted and durable. Over virtio-user from trove-blast
        on keep-alive connections: requests_per_s of single events (connections x pipeline requests open at once, closed loop),
        batch_events_per_s of NDJSON batches of 100, answer_us at an offered rate since the planned send. What trove-blast gets out of a
        server that only says 202 (generator_requests_per_s) must be far above that. Then, over a veth pair between two namespaces,
        from wrk, which has a core to itself, the same command for both: troved on AF_PACKET with its worker, journals and sinks on the
        other core, answering durable, and accepted; and nginx there, which says 204. nginx is given less to do: it reads the body and throws
        it away; it does not look into the JSON, knows no duplicate, decides nothing and keeps nothing on disk. Every figure is the median of --runs runs of --seconds each.
"""
import json
import os
import re
import shutil
import subprocess
import sys
import time

from bench_cores import CONTROL, WORKER
from bench_lib import BUILD, PATIENCE_S, Daemon, Scenario, caveat, end, fail, figure, make_catalog, run_blast, start

URL = "http://192.0.2.1:8080/v1/events"
VHOST = "{ name: p0, device: 'net_vhost0,iface=%s/vhost.sock', address: 192.0.2.1/24 }"
VETH = "{ name: p0, device: 'net_af_packet0,iface=server', address: 192.0.2.1/24 }"
MORE = """\
listen: { http: { port: 8080 } }
journal: { buffer: 256MiB }
"""
IDS_PER_S = 4_000_000  # more than any run sends
ACKS = ("accepted", "durable")
SINGLE = ((64, 1), (1024, 1), (256, 16))  # connections and pipeline
BATCH = (64, 1)
OFFERED = 240_000
WRK_CONNECTIONS = (64, 512)
WRK_SECONDS_LEAST = 2

# A new event with each request; both servers are asked by this same script.
WRK_LUA = """\
local count = 0
local salt = os.time() % 65536
local format = string.format
local body = '{"id":"%08x-%04x-4000-8000-000000000000","time":%d000,"user":"u-%d","type":"%s","item":"item-%d","data":{"pad":"xxxxxx"}}'
function request()
    count = count + 1
    return wrk.format("POST", "/v1/events", nil, format(body, count, salt, os.time(), count * 7919 % 100000 + 1,
        count % 5 == 0 and "purchase" or "view", count % 1000))
end
wrk.headers["Content-Type"] = "application/json"
wrk.headers["Trove-Ack"] = "ACK"
function done(summary, latency, requests)
    local e = summary.errors
    io.write(format('{"requests":%d,"us":%d,"p50":%d,"p99":%d,"p999":%d,"errors":%d,"status":%d}\\n', summary.requests,
        summary.duration, latency:percentile(50), latency:percentile(99), latency:percentile(99.9),
        e.connect + e.read + e.write + e.timeout, e.status))
end
"""

# Its own prefix, one process, nothing written, connections that last.
NGINX_CONF = """\
daemon off;
master_process off;
user root;
pid {dir}/nginx.pid;
error_log {dir}/nginx.log;
events {{ worker_connections 4096; }}
http {{
    access_log off;
    keepalive_timeout 1h;
    keepalive_requests 1000000000;
    client_body_temp_path {dir}/body;
    proxy_temp_path {dir}/proxy;
    fastcgi_temp_path {dir}/fastcgi;
    uwsgi_temp_path {dir}/uwsgi;
    scgi_temp_path {dir}/scgi;
    server {{
        listen 192.0.2.1:8080;
        location / {{ return 204; }}
    }}
}}
"""


def http_blast(directory, *args):
    report = run_blast(["--vdev", f"net_virtio_user0,path={directory}/vhost.sock,queue_size=1024,packed_vq=1", "--source-ip", "192.0.2.2", "--core",
                        str(CONTROL), "--nap", "20us", "--huge", "--catalog", directory / "catalog.tsv", "--zipf", "1.0", "--types",
                        "view:80,purchase:20", "--size", "170", "--max-datagram", "256", *args, URL])
    if report["answered_other"] or report["unanswered"] or report["resets"] or report["closes"]:
        fail(f"not all requests were answered well: {report}")
    return report


def once(directory, seconds, *args):
    """A fresh daemon, one load over virtio-user, the generator's report. Whatever does not add up ends the benchmark."""
    daemon = Daemon(directory, VHOST % directory, ids=IDS_PER_S * seconds, more=MORE)
    report = http_blast(directory, "--duration", f"{seconds}s", *args)
    account = daemon.account()
    daemon.stop()
    if account["received"] != account["accepted"] or account["accepted"] != report["sent"]:
        fail(f"{report['sent']} new events were answered, the account says {account}")
    return report


def answers(directory, seconds, *args):
    """What the generator gets out of a server that only says 202, on the worker's core."""
    server = start([BUILD / "bench/trove-blast", "--answer", "--core", str(WORKER), "--huge", "--vdev",
                    f"net_vhost0,iface={directory}/vhost.sock", URL], stderr=subprocess.PIPE, text=True)
    while "answering" not in server.stderr.readline():
        if server.poll() is not None:
            fail("trove-blast --answer did not start")
    report = http_blast(directory, "--duration", f"{seconds}s", *args)
    server.terminate()  # it takes its socket with it
    server.wait()
    return report


def many(connections, pipeline, ack=None):
    return ["--connections", str(connections), "--pipeline", str(pipeline), *(["--ack", ack] if ack else [])]


def bench_virtio(directory, options):
    make_catalog(directory)
    for connections, pipeline in SINGLE:
        runs = [answers(directory, options.seconds, *many(connections, pipeline)) for _ in range(options.runs)]
        figure("http", "generator_requests_per_s", [run["requests_per_s"] for run in runs], "1/s", connections=connections,
               pipeline=pipeline, server="trove-blast --answer", cores="trove-blast, server")
    for ack in ACKS:
        more = {"ack": ack, "link": "virtio-user", "client": "trove-blast", "cores": "trove-blast with journal, worker"}
        for connections, pipeline in SINGLE:
            runs = [once(directory, options.seconds, *many(connections, pipeline, ack)) for _ in range(options.runs)]
            figure("http", "requests_per_s", [run["requests_per_s"] for run in runs], "1/s", connections=connections,
                   pipeline=pipeline, **more)
        connections, pipeline = BATCH
        runs = [once(directory, options.seconds, *many(connections, pipeline, ack), "--batch", "100") for _ in range(options.runs)]
        figure("http", "batch_events_per_s", [run["events_per_s"] for run in runs], "1/s", connections=connections, pipeline=pipeline,
               batch=100, **more)
        runs = [once(directory, options.seconds, *many(1024, 1, ack), "--rate", str(OFFERED)) for _ in range(options.runs)]
        held = all(run["held_rate"] for run in runs)
        for name in ("p50", "p99", "p999"):
            figure("http", f"answer_us_{name}", [run["answer_us"][name] for run in runs], "us", OFFERED, connections=1024, pipeline=1,
                   since="planned send", held=held, **more)


class Veth:
    """Two namespaces that end with the block, joined by a veth pair: `client` with 192.0.2.2, and `server` with an address or none."""

    def __init__(self, server_address=None):
        self.address = server_address

    def __enter__(self):
        self.sides = {name: self.namespace() for name in ("client", "server")}
        commands = [["ip", "link", "add", "client", "netns", self.pid("client"), "type", "veth", "peer", "name", "server", "netns",
                     self.pid("server")],
                    [*self.inside("client"), "ip", "addr", "add", "192.0.2.2/24", "dev", "client"],
                    # Whole checksums and no frame beyond the link's size: AF_PACKET shows frames as they are.
                    [*self.inside("client"), "ethtool", "-K", "client", "tx", "off", "tso", "off", "gso", "off"],
                    [*self.inside("client"), "ip", "link", "set", "client", "up"],
                    [*self.inside("server"), "ip", "link", "set", "server", "up"]]
        if self.address:
            commands.append([*self.inside("server"), "ip", "addr", "add", self.address, "dev", "server"])
        for command in commands:
            subprocess.run(command, check=True, capture_output=True)
        return self

    def namespace(self):
        holder = start(["unshare", "--net", "sleep", "infinity"])
        ours, deadline = os.readlink("/proc/self/ns/net"), time.monotonic() + PATIENCE_S
        while os.readlink(f"/proc/{holder.pid}/ns/net") == ours:
            if holder.poll() is not None or time.monotonic() > deadline:
                fail("no network namespace can be made here")
            time.sleep(0.01)
        return holder

    def pid(self, side):
        return str(self.sides[side].pid)

    def inside(self, side):
        return ["nsenter", f"--net=/proc/{self.pid(side)}/ns/net"]

    def __exit__(self, *_):
        for holder in self.sides.values():
            end(holder)


def wrk(directory, veth, connections, seconds, ack):
    script = directory / "wrk.lua"
    script.write_text(WRK_LUA.replace("ACK", ack))
    run = subprocess.run([*veth.inside("client"), "taskset", "-c", str(CONTROL), "wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "-s", script,
                          URL], capture_output=True, text=True, check=False)
    if run.returncode:
        fail(f"wrk: {run.stderr.strip() or run.stdout.strip()}")
    report = json.loads(run.stdout.strip().splitlines()[-1])
    if report["errors"] or report["status"]:
        fail(f"wrk was not answered well: {report}")
    return {**report, "requests_per_s": report["requests"] * 1e6 / report["us"]}


def wait_until_answered(veth, server):
    """Until the port takes connections, from the client's side."""
    deadline = time.monotonic() + PATIENCE_S
    probe = "import socket; socket.create_connection(('192.0.2.1', 8080), 1)"
    while subprocess.run([*veth.inside("client"), sys.executable, "-c", probe], check=False, capture_output=True).returncode:
        if server.poll() is not None or time.monotonic() > deadline:
            fail("the server does not take connections")
        time.sleep(0.05)


def beside_client(directory, veth, ids, more):
    """A troved that has the worker's core for all of its work, as its peers have, and leaves the other to the client."""
    return Daemon(directory, VETH, ids, more, inside=[*veth.inside("server"), "taskset", "-c", str(WORKER)],
                  rewrite=lambda text: re.sub(r"control_core: \d+", f"control_core: {WORKER}", text))


def wrk_trove(directory, connections, seconds, ack):
    with Veth() as veth:
        daemon = beside_client(directory, veth, IDS_PER_S * seconds, MORE)
        wait_until_answered(veth, daemon.process)
        report = wrk(directory, veth, connections, seconds, ack)
        account = daemon.account()
        daemon.stop()
    # wrk stops in the middle: what it no longer heard the answer of was accepted too.
    unheard = account["accepted"] - report["requests"]
    if account["received"] != account["accepted"] or not 0 <= unheard <= connections:
        fail(f"wrk counted {report['requests']} answers, the account says {account}")
    return report


def wrk_nginx(directory, connections, seconds):
    prefix = directory / "nginx"
    prefix.mkdir(exist_ok=True)
    (prefix / "nginx.conf").write_text(NGINX_CONF.format(dir=prefix))
    with Veth("192.0.2.1/24") as veth:
        server = start([*veth.inside("server"), "taskset", "-c", str(WORKER), "nginx", "-p", prefix, "-e", prefix / "nginx.log", "-c",
                        prefix / "nginx.conf"], stderr=subprocess.DEVNULL)
        wait_until_answered(veth, server)
        report = wrk(directory, veth, connections, seconds, "durable")
        end(server)
    return report


def wrk_figures(runs, peer, **more):
    figure("http", "requests_per_s", [run["requests_per_s"] for run in runs], "1/s", peer=peer, **more)
    for name in ("p50", "p99", "p999"):
        figure("http", f"answer_us_{name}", [run[name] for run in runs], "us", peer=peer, since="send", **more)


def bench_wrk(directory, options):
    if not shutil.which("wrk") or not shutil.which("nginx"):
        print("# no figure of wrk and nginx: they cannot be installed here", file=sys.stderr)
        return
    seconds = max(options.seconds, WRK_SECONDS_LEAST)
    for connections in WRK_CONNECTIONS:
        trove, accepted, nginx = [], [], []
        for _ in range(options.runs):  # in turn, so that what the machine does meanwhile meets all
            trove.append(wrk_trove(directory, connections, seconds, "durable"))
            accepted.append(wrk_trove(directory, connections, seconds, "accepted"))
            nginx.append(wrk_nginx(directory, connections, seconds))
        common = {"link": "veth", "client": "wrk", "connections": connections, "pipeline": 1}
        wrk_figures(trove, None, ack="durable", cores="wrk, troved", **common)
        wrk_figures(accepted, None, ack="accepted", cores="wrk, troved", **common)
        wrk_figures(nginx, "nginx", ack=None, cores="wrk, nginx", **common)
        figure("http", "requests_ratio", [ours["requests_per_s"] / theirs["requests_per_s"] for ours, theirs in zip(trove, nginx)], "1",
               peer="nginx", **common)
    caveat("nginx reads the body and answers 204: no JSON, no duplicates, no decision, no disk")


def bench_http(directory, options):
    bench_virtio(directory, options)
    bench_wrk(directory, options)


SCENARIOS = {"http": Scenario(bench_http, "POSTs, single and in batches, beside nginx", seconds=5, packages="wrk nginx-light ethtool", huge=True)}
