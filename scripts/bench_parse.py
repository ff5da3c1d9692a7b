"""bench_parse.py - the parser alone, beside simdjson.

parse   what it takes to parse an event, beside simdjson, on one core, the last. Sets of 4,096 events each (bench/parse_events.h): blast,
        as trove-blast makes them; hunt, data, names, escape, spaced; each with its members in the order in which trove-blast writes
        them, reversed, and mixed: every event in an order of its own. Each round parses every set with every parser; a figure is the
        median over --runs of the median over 51 rounds. --instructions also counts those of event_parse by callgrind, which knows AVX2 but not AVX-512.

        Beside event_parse stands simdjson's on-demand front end, compiled for this processor without its development checks:
        all      every member walked to its end, own keys once, lengths, UUID, time and the same keyed hashes: the same work, but that it
                 cannot say which byte was wrong
        iterate  goes through the members and takes id, time, user, type, item and hunt; values that nobody wants are skipped
                 unchecked, so is a key given twice; no UUID is read, nothing is hashed
        extract  a look-up each of id, time, user, type and item, as above
        ratio is the peer's time over ours, permuted_ratio ours for another order over ours for the written one.
"""
import json
import os
import re
import statistics
import subprocess

from bench_lib import TOP, Scenario, fail, figure

BUILD = TOP / "build-simdjson"  # C++ stays out of the ordinary build
PROGRAM = BUILD / "bench/trove-parse"
EVENTS = 4096


def build():
    command = """. scripts/lib.sh
        install_missing $packages_build g++ libsimdjson-dev valgrind
        [ -f build-simdjson/build.ninja ] || run meson setup build-simdjson --buildtype=release -Dsimdjson=enabled -Dtests=disabled
        run ninja -C build-simdjson bench/trove-parse"""
    run = subprocess.run(["bash", "-c", command], cwd=TOP, capture_output=True, text=True, check=False)
    if run.returncode:
        fail(f"the build in {BUILD} failed\n{run.stdout[-3000:]}{run.stderr[-3000:]}")


def measure(runs):
    """Nanoseconds an event, the median of every run, by set, order, parser and what that checks."""
    core = str(os.cpu_count() - 1)
    found = {}
    for _ in range(runs):
        run = subprocess.run(["taskset", "-c", core, PROGRAM], capture_output=True, text=True, check=False)
        if run.returncode:
            fail("trove-parse: " + run.stderr.strip())
        for line in map(json.loads, run.stdout.splitlines()):
            found.setdefault((line["events"], line["order"], line["parser"], line["checks"]), []).append(statistics.median(line["ns"]))
    return found


def report(found):
    for (events, order, parser, checks), ns in found.items():
        peer = None if parser == "trove" else parser
        own = found[events, order, "trove", "all"]
        figure("parse", "events_per_s", [1e9 / one for one in ns], "1/s", peer=peer, events=events, order=order, checks=checks)
        if peer:
            figure("parse", "ratio", [theirs / ours for theirs, ours in zip(ns, own)], "1", peer=peer, events=events, order=order,
                   checks=checks)
        elif order != "written":
            written = found[events, "written", "trove", "all"]
            figure("parse", "permuted_ratio", [one / other for one, other in zip(ns, written)], "1", events=events, order=order)


def instructions(program, directory, events):
    """Instructions an event of event_parse with what it calls, the same in every run."""
    run = subprocess.run(["valgrind", "--tool=callgrind", f"--callgrind-out-file={directory}/out", "--toggle-collect=event_parse",
                          program, "--once", events], capture_output=True, text=True, check=True)
    return int(re.search(r"Collected : (\d+)", run.stderr)[1]) / EVENTS


def bench_parse(directory, options):
    build()
    found = measure(options.runs)
    report(found)
    if options.instructions:
        for events in sorted({key[0] for key in found}):
            figure("parse", "instructions", instructions(PROGRAM, directory, events), "1", events=events)


SCENARIOS = {"parse": Scenario(bench_parse, "the parser alone, beside simdjson")}
