"""bench_parts.py - claims, and rings.

claims  tile claims through the whole daemon: trove-blast over virtio-user at 240,000 claims/s, of tiles of the map that is live, one in ten of a
        tile that has just been given away: claims_per_s that were decided, how many were granted and refused, which must be exactly so
        many, and claim_us since the planned send. trove-state's claims beside Redis are scenario "state".
ring    a ring between two cores, events there and answers back: ours, ck_ring and rte_ring in turn, in bursts of 32 and one at a time.
"""
import json
import subprocess

from bench_lib import BUILD, Daemon, Scenario, changed, fail, figure, run_blast
from bench_link import JOURNAL, PORT, TARGET, latency_figures, stage_percentiles, vdev

CLAIMS_AT = 240_000
CLAIMS_SECONDS = 4  # a map has no more tiles than it takes for these
TAKEN_EVERY = 10  # one claim in so many is of a tile that is given away already
HUNT = """\
hunts:
  - { name: tiles, kind: tiles, types: [claim], tiles: 1000000, period: 10m, live: 2, map_ttl: 1h }
sinks:
  - { name: file, type: file, path: %s/out.ndjson, outcomes: [claim_granted] }
"""
EVENT = '{"id":"%08x-0000-4000-8000-%012x","time":@@@@@@@@@@@@@,"user":"u-%d","type":"claim","tile":"%s"}'


def tiles_only(directory):
    """What makes the benchmark's configuration one of a tiles hunt."""
    def rewrite(text):
        head = changed(text[:text.index("hunts:")], "users: 400_000", "users: 1000, claims: 2_000_000")
        return changed(head, "view: { require: [item] }", "claim: { require: [tile] }") + HUNT % directory
    return rewrite


def claims_stream(directory, config):
    """A stream for trove-blast --replay: claims of tiles of the map that is live, each by another user."""
    count = CLAIMS_AT * CLAIMS_SECONDS
    run = subprocess.run([BUILD / "dataplane/trovectl", "hunt", "map", config, "--limit", str(count), "--json"], capture_output=True, text=True,
                         check=False)
    if run.returncode:
        fail("trovectl hunt map: " + run.stderr.strip())
    tiles = json.loads(run.stdout)["tiles"]
    with open(directory / "claims.stream", "w", encoding="ascii") as out:
        for n, tile in enumerate(tiles):
            taken = n % TAKEN_EVERY == 0 and n >= TAKEN_EVERY
            out.write(f"0\t{EVENT % (n, n, n, tiles[n - TAKEN_EVERY + 1] if taken else tile)}\n")
    return directory / "claims.stream", len(tiles)


def claims_once(directory):
    daemon = Daemon(directory, PORT % directory, ids=2_000_000, more=JOURNAL, rewrite=tiles_only(directory))
    stream, count = claims_stream(directory, daemon.file)
    sent = run_blast([*vdev(directory), "--nap", "20us", "--stamp", "--rate", str(CLAIMS_AT), "--replay", stream, TARGET])
    account, outcomes = daemon.account(), daemon.ctl("status")["outcomes"]
    decision = stage_percentiles(daemon, "decision")
    daemon.stop()
    # Every tenth but the first is of a tile that has just been given away.
    lost, taken = account["lost"] + sent["unsent"], (count - 1) // TAKEN_EVERY
    granted, refused = outcomes["claim_granted"], outcomes["claim_refused"]
    if granted + refused != account["accepted"] or (not lost and (granted, refused) != (count - taken, taken)):
        fail(f"{count} claims, {taken} of tiles that were taken; granted {granted}, refused {refused}, lost {lost}")
    return {"decided_per_s": account["accepted"] / sent["elapsed_s"], "granted": granted, "refused": refused, "lost": lost, "claim": decision}


def bench_claims(directory, options):
    runs = [claims_once(directory) for _ in range(options.runs)]
    for name, unit in (("granted", "1"), ("refused", "1"), ("lost", "1")):
        figure("claims", name, [run[name] for run in runs], unit, CLAIMS_AT)
    figure("claims", "claims_per_s", [run["decided_per_s"] for run in runs], "1/s", CLAIMS_AT)
    latency_figures("claims", "claim", runs, CLAIMS_AT, since="planned send")


def bench_ring(_, options):
    for burst in (32, 1):
        run = subprocess.run([BUILD / "bench/trove-ring", "--rounds", str(max(3, options.runs)), "--burst", str(burst)], capture_output=True,
                             text=True, check=False)
        if run.returncode:
            fail("trove-ring: " + run.stderr.strip())
        for ring in map(json.loads, run.stdout.splitlines()):
            peer = None if ring["ring"] == "trove" else ring["ring"]
            figure("ring", "events_per_s", ring["values"], "1/s", peer=peer, burst=burst)


SCENARIOS = {
    "claims": Scenario(bench_claims, "tile claims through the whole daemon", huge=True),
    "ring": Scenario(bench_ring, "a ring between two cores, beside ck_ring and rte_ring"),
}
