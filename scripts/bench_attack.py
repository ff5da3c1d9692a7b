"""bench_attack.py - scripts/bench attack: what real clients get while strangers flood the same core with spoofed SYNs.

Clients are trove-blast's keep-alive connections over virtio-user, at a rate that the worker can hold; each request an event that is
new, answered once it is durable. trove-flood sends SYNs from addresses and ports of the whole internet over a second virtio-user
port of the same worker. Both generators and the journal share a core. Each run has the clients alone and then with the flood, on a
daemon of its own each time; clients_kept is the second rate by the first.
"""
import json
import subprocess

from bench_cores import CONTROL
from bench_http import IDS_PER_S, MORE, http_blast, many
from bench_lib import BUILD, Daemon, Scenario, fail, figure, make_catalog, start

# The second port stands behind the first one in the list.
PORTS = """\
{{ name: p0, device: 'net_vhost0,iface={dir}/vhost.sock', address: 192.0.2.1/24 }}
  - {{ name: p1, device: 'net_vhost1,iface={dir}/flood.sock', address: 198.51.100.1/24 }}"""
OFFERED = 100_000
CONNECTIONS = (256, 4)
SYNS_PER_S = 500_000


def flood(directory, seconds):
    """SYNs for longer than the clients' run; returns the process once the port is up, which is when it sends."""
    return start([BUILD / "bench/trove-flood", "--vdev", f"net_virtio_user0,path={directory}/flood.sock,queue_size=1024", "--source-ip",
                  "198.51.100.2", "--core", str(CONTROL), "--huge", "--rate", str(SYNS_PER_S), "--seconds", str(seconds), "198.51.100.1:8080"],
                 stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def once(directory, seconds, flooded):
    """The clients' report, and how many SYNs a second were sent and answered meanwhile."""
    daemon = Daemon(directory, PORTS.format(dir=directory), ids=IDS_PER_S * seconds, more=MORE)
    strangers = flood(directory, seconds + 3) if flooded else None
    report = http_blast(directory, "--duration", f"{seconds}s", "--rate", str(OFFERED), "--nap", "20us", *many(*CONNECTIONS, "durable"))
    sent = {"sent_per_s": 0, "sent": 0}
    if strangers:
        out, fault = strangers.communicate()
        if strangers.returncode:
            fail(fault.strip())
        sent = json.loads(out)
    tcp, account = daemon.ctl("status")["tcp"], daemon.account()
    daemon.stop()
    if account["accepted"] != report["sent"]:
        fail(f"{report['sent']} new events were answered, the account says {account}")
    return {**report, "syns_per_s": sent["sent_per_s"], "syns_answered": tcp["syns"] / sent["sent"] if sent["sent"] else 0,
            "connections": tcp["now"]["connections"]}


def bench_attack(directory, options):
    make_catalog(directory)
    alone, under = [], []
    for _ in range(options.runs):  # in turn, so that what the machine does meanwhile meets both
        alone.append(once(directory, options.seconds, False))
        under.append(once(directory, options.seconds, True))
    common = {"connections": CONNECTIONS[0], "pipeline": CONNECTIONS[1], "ack": "durable", "cores": "generators with journal, worker"}
    for runs, syns in ((alone, 0), (under, SYNS_PER_S)):
        figure("attack", "requests_per_s", [run["requests_per_s"] for run in runs], "1/s", OFFERED, syns=syns, **common)
        for name in ("p50", "p99", "p999"):
            figure("attack", f"answer_us_{name}", [run["answer_us"][name] for run in runs], "us", OFFERED, syns=syns, since="planned send",
                   **common)
    figure("attack", "syns_per_s", [run["syns_per_s"] for run in under], "1/s", SYNS_PER_S)
    figure("attack", "syns_answered", [run["syns_answered"] for run in under], "1", SYNS_PER_S)
    figure("attack", "clients_kept", [two["requests_per_s"] / one["requests_per_s"] for one, two in zip(alone, under)], "1", OFFERED,
           syns=SYNS_PER_S, **common)


SCENARIOS = {"attack": Scenario(bench_attack, "what clients keep under 500,000 spoofed SYNs a second", seconds=5, huge=True)}
