"""bench_results.py - bench/RESULTS*.md: the machine, what was run, every figure, ratios to peers, and what was asked for."""
import json
import os
import pathlib
import platform
import re
import subprocess
import tempfile

import bench_table
from bench_cores import CONTROL, WORKER, disk_core
from bench_lib import TOP

# Of the kernel's command line: what bears on latency.
BOOT = ("default_hugepagesz", "hugepages", "hugepagesz", "idle", "intel_idle", "intel_iommu", "intel_pstate", "iommu", "irqaffinity", "isolcpus",
        "mitigations", "nohz", "preempt", "processor.max_cstate", "rcu_nocb", "transparent_hugepage")

PACKAGES = ("gcc", "dpdk-dev", "libsimdjson-dev", "nginx", "wrk", "redis-server", "nats-server", "librocksdb7.8", "rsyslog", "syslog-ng-core",
            "gnuplot-nox")

# What the machine of 2 cores must show: text, bench, figure, further members of the figure, at least or at most, bound. Of several
# that match, the worst counts, but of those whose text begins with "best: ".
ASKED = (
    ("parse at least 1.5 times simdjson on-demand, the same work", "parse", "ratio", {"peer": "simdjson", "events": "blast", "order": "written", "checks": "all"}, ">=", 1.5),
    ("parse with keys permuted at most 10 % slower", "parse", "permuted_ratio", {"events": "blast"}, "<=", 1.1),
    ("udp, one event a datagram, everything on except the disk", "udp", "events_per_s", {"per_datagram": 1, "data": "tmpfs"}, ">=", 3e6),
    ("udp, one event a datagram, the disk on as well", "udp", "events_per_s", {"per_datagram": 1, "link": None, "data": None}, ">=", 3e6),
    ("udp, five events a datagram, everything on except the disk", "udp", "events_per_s", {"per_datagram": 5, "data": "tmpfs"}, ">=", 4e6),
    ("udp, five events a datagram, the disk on as well", "udp", "events_per_s", {"per_datagram": 5, "data": None}, ">=", 4e6),
    ("udp to durable", "udp", "events_per_s", {"per_datagram": 1, "link": None, "data": None}, ">=", 2e6),
    ("240,000/s, wire to decision, p50", "udp", "decision_us_p50", {"load": "240k", "since": "port"}, "<=", 8),
    ("240,000/s, wire to decision, p99.9", "udp", "decision_us_p999", {"load": "240k", "since": "port"}, "<=", 50),
    ("240,000/s, wire to decision, p99.99", "udp", "decision_us_p9999", {"load": "240k", "since": "port"}, "<=", 200),
    ("ramp to 1.2M/s, lost", "ramp", "lost", {}, "<=", 0),
    ("ramp to 1.2M/s, p99.9, since the planned send", "ramp", "decision_us_p999", {"since": "planned send"}, "<=", 500),
    ("ramp to 1.2M/s, p99.9, since the port gave the packet", "ramp", "decision_us_p999", {"since": "port"}, "<=", 500),
    ("cost per event, 10M users over 1,000, less what memory explains", "users", "cost_ratio_unexplained", {"users": 10_000_000}, "<=", 1.25),
    ("best: POSTs of one event, accepted", "http", "requests_per_s", {"ack": "accepted"}, ">=", 7e5),
    ("best: POSTs of one event, durable", "http", "requests_per_s", {"ack": "durable"}, ">=", 5e5),
    ("events in batches of 100", "http", "batch_events_per_s", {}, ">=", 2e6),
    ("POSTs over veth, durable, by nginx's that say 204", "http", "requests_ratio", {"peer": "nginx"}, ">=", 1),
    ("clients' rate kept under 500,000 SYNs/s", "attack", "clients_kept", {}, ">=", 0.95),
    ("240,000/s, wire to durable, p50", "durable", "durable_us_p50", {"io": "auto", "checkpoints": 0}, "<=", 300),
    ("240,000/s, wire to durable, p99", "durable", "durable_us_p99", {"io": "auto", "checkpoints": 0}, "<=", 1000),
    ("wire to durable, p99.9 by that without checkpoints", "durable", "checkpoint_p999_ratio", {}, "<=", 2),
    ("durable through one worker core", "durable", "events_per_s", {"cores": 1}, ">=", 1.5e6),
    ("durable, by Redis with appendfsync always", "durable", "ratio", {"peer": "redis XADD"}, ">=", 4),
    ("replay on one core", "replay", "events_per_s", {"cores": 1}, ">=", 2e6),
    ("recovery of 10 million users and a minute's tail", "recovery", "ready_s", {}, "<=", 10),
    ("outcomes caught up with: file", "sinks", "outcomes_per_s", {"sink": "file"}, ">=", 3e5),
    ("outcomes caught up with: Redis", "sinks", "outcomes_per_s", {"sink": "redis"}, ">=", 3e5),
    ("outcomes caught up with: NATS", "sinks", "outcomes_per_s", {"sink": "nats"}, ">=", 3e5),
    ("wire to decision beside sinks that fail, p99.9 by that without", "sinks", "decision_p999_ratio", {}, "<=", 1.1),
)


# What a benchmark writes itself: it changes nothing of what is measured.
WRITTEN = ("bench/RESULTS*", "bench/capacity.json")


def commit(top):
    """The commit that `top` has checked out, with -dirty behind it when files of it are not as they were committed; "?" without git."""
    def git(*args):
        return subprocess.run(["git", "-C", top, *args], capture_output=True, text=True, check=False)

    described = git("describe", "--always")
    if described.returncode:
        return "?"
    changed = git("status", "--porcelain", "--untracked-files=no", "--", ".", *(f":!{path}" for path in WRITTEN)).stdout
    return described.stdout.strip() + ("-dirty" if changed else "")


def version_of(package):
    run = subprocess.run(["dpkg-query", "-W", "-f", "${Version}", package], capture_output=True, text=True, check=False)
    return run.stdout.strip() if run.returncode == 0 else ""


def machine():
    """(name, value) of what the figures depend on."""
    cpu = pathlib.Path("/proc/cpuinfo").read_text(encoding="utf-8")
    memory = int(re.search(r"MemTotal: +(\d+)", pathlib.Path("/proc/meminfo").read_text(encoding="ascii"))[1])
    model = re.search(r"model name\s*: (.*)", cpu)
    hypervisor = " (virtual)" if re.search(r"^flags.*\bhypervisor\b", cpu, re.M) else ""
    governor = pathlib.Path("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor")
    yield "processor", (model[1] if model else platform.machine()) + hypervisor
    yield "cores", str(os.cpu_count())
    taken = disk_core(tempfile.gettempdir())
    yield "interrupts of the disk", "on no core alone" if taken is None else f"on core {taken}"
    yield "generator, journals and sinks", f"core {CONTROL}; worker: core {WORKER}"
    yield "frequency governor", governor.read_text(encoding="ascii").strip() if governor.exists() else "none that can be seen"
    yield "memory", f"{memory / 1048576:.1f} GiB"
    yield "kernel", platform.release()
    chosen = pathlib.Path("/proc/cmdline").read_text(encoding="ascii").split()
    yield "kernel command line", " ".join(word for word in chosen if word.startswith(BOOT)) or "nothing that bears on it"
    for package in PACKAGES:
        if version_of(package):
            yield package, version_of(package)


def processor():
    """What tells machines apart."""
    return dict(machine())["processor"]


def place(folder, name):
    """The file for the figures of a machine with a processor of that name. RESULTS.jsonl is that of the first machine; every other has
    one of its own, since figures of two in one table would be worth nothing."""
    ran = [line for line in load(folder / "RESULTS.jsonl") if "command" in line]
    if all(line["processor"] == name for line in ran):
        return folder / "RESULTS.jsonl"
    return folder / f"RESULTS-{re.sub('[^a-z0-9]+', '-', name.lower()).strip('-')}.jsonl"


def matches(one, bench, figure, members):
    wanted = {"peer": None, **members}
    return one["bench"] == bench and one["figure"] == figure and all(one.get(key) == value for key, value in wanted.items())


def asked_rows(figures):
    for text, bench, figure, members, how, bound in ASKED:
        found = [one for one in figures if matches(one, bench, figure, members)]
        if not found:
            yield text, f"{how} {bench_table.number(bound)}", "not measured", ""
            continue
        highest = (how == ">=") == text.startswith("best: ")
        one = (max if highest else min)(found, key=lambda one: one["value"])
        met = one["value"] >= bound if how == ">=" else one["value"] <= bound
        yield text, f"{how} {bench_table.number(bound)}", bench_table.number(one["value"]), "yes" if met else "**no**"


def ratio_rows(figures):
    """Our best rate over each peer's best on the same link, for figures that both have; the lowest and the highest that the runs allow."""
    best = {}
    for one in figures:
        if one["unit"] == "1/s":
            key = one["bench"], one["figure"], one.get("link"), one["peer"]
            if key not in best or one["value"] > best[key]["value"]:
                best[key] = one
    for (bench, figure, link, peer), theirs in best.items():
        ours = best.get((bench, figure, link, None))
        if peer and ours and theirs["value"]:
            low, high = ours["min"] / theirs["max"], ours["max"] / theirs["min"] if theirs["min"] else 0
            yield (bench, figure, peer, f"{ours['value'] / theirs['value']:.2f}", f"{low:.2f} to {high:.2f}",
                   bench_table.conditions(ours), bench_table.conditions(theirs))


def table(heads, rows, out):
    print("| " + " | ".join(heads) + " |\n|" + "---|" * len(heads), file=out)
    for row in rows:
        print("| " + " | ".join(row) + " |", file=out)
    print(file=out)


def load(path):
    """The lines of bench/RESULTS.jsonl: figures, and what was run."""
    if not path.exists():
        return []
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def save(path, lines):
    """Both files: the lines, and what people read, which follows from them and from the machine."""
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    write(path.with_suffix(".md"), [line for line in lines if "figure" in line], [line for line in lines if "command" in line])


def write(path, figures, ran):
    """ran: {command, commit, taken, took_s, failed, caveats} of each scenario."""
    with open(path, "w", encoding="utf-8") as out:
        print("# Results\n\nWritten by `scripts/bench all`; `scripts/bench --help` says what each figure means, and `scripts/bench compare "
              "OLD NEW` compares two files such as bench/RESULTS.jsonl. Every figure is a median, with the lowest and the highest of its runs.\n",
              file=out)
        table(("machine", ""), machine(), out)
        table(("command", "commit", "taken", "took"),
              ((f"`{one['command']}`", one["commit"], one["taken"], f"{one['took_s']:.0f} s") for one in ran), out)
        for text in (one["failed"] for one in ran if one["failed"]):
            print(f"**Failed:** {text}\n", file=out)
        print("## What was asked for\n", file=out)
        table(("figure", "asked", "measured", "met"), asked_rows(figures), out)
        print("## Ratios\n\nOur best over the peer's best on the same link, in the same run of the same machine.\n", file=out)
        table(("bench", "figure", "peer", "ratio", "lowest to highest", "ours", "theirs"), ratio_rows(figures), out)
        for text in dict.fromkeys(text for one in ran for text in one["caveats"]):
            print(f"- {text}", file=out)
        for bench in dict.fromkeys(one["bench"] for one in figures):
            print(f"\n## {bench}\n", file=out)
            bench_table.markdown([one for one in figures if one["bench"] == bench], out)
