"""Checkpoints: made while events flow, begun with at the next start, proved against the journal from its first record."""
import json
import os
import pathlib
import random
import re
import subprocess
import time

import pytest

from conftest import BUILD, CONFIG, encode, udp
from test_patch import http
from test_stop import CATALOG, TRAIL, blast

OFTEN = CONFIG.replace("journal: {{ buffer: 32MiB, segment_size: 16MiB }}", "journal: {{ buffer: 8MiB, segment_size: 1MiB, checkpoint: 200ms }}")
assert OFTEN != CONFIG


def checkpoints(trove, suffix=".ckp"):
    return sorted(path for path in (trove.dir / "data/checkpoint").iterdir() if path.name.endswith(suffix))


def often(make, more=""):
    trove = make(config=OFTEN, more=more)
    (trove.dir / "c.tsv").write_text(CATALOG)
    with open(trove.config, "a", encoding="utf-8") as config:
        config.write(TRAIL.format(dir=trove.dir))
    return trove


def made(trove, count, seconds=20):
    """The status once that many more checkpoints are made."""
    deadline, wanted = time.monotonic() + seconds, None
    while True:
        now = trove.status()
        wanted = wanted or now["checkpoint"]["made"] + count
        if now["checkpoint"]["made"] >= wanted:
            return now
        assert time.monotonic() < deadline, now["checkpoint"]
        time.sleep(0.05)


def test_a_start_begins_with_the_newest_checkpoint(make):
    trove = often(make).start()
    load = blast("--rate", "10k", "--duration", "4s", "--duplicates", "2%", "--malformed", "1%", "--types", "view:100")
    time.sleep(1)
    now = made(trove, 3)
    assert now["checkpoint"]["failed"] == 0 and now["checkpoint"]["bytes"] > 0
    trove.kill()
    load.communicate(timeout=30)
    assert 1 <= len(checkpoints(trove)) <= 3

    trove.start()
    recovery = trove.status()["recovery"]
    assert recovery["checkpoint"] == checkpoints(trove)[-1].name
    assert recovery["differences"] == 0
    sock = udp()
    sock.send(encode(user="after"))
    trove.settled(1)
    total = len({o.get("event_seq", o["seq"]) for o in trove.outcomes()})
    assert recovery["events"] < total
    assert trove.term() == 0


def test_only_what_compresses_stands_back(make):
    """Behind the pumps, checkpoints were never finished on a busy core."""
    trove = often(make).start()
    made(trove, 1)
    own, found = os.nice(0), trove.nice_values()  # the tests' own is inherited
    assert len(found) >= 6 and set(found) == {own}, found
    assert trove.term() == 0
    trove.config.write_text(trove.config.read_text().replace("checkpoint: 200ms", "checkpoint: 200ms, compress_after: 1h"))
    trove.start()
    made(trove, 1)
    found = trove.nice_values()
    found.remove(10)
    assert len(found) >= 6 and set(found) == {own}, found
    assert trove.term() == 0


def proved(trove, verdict="proved"):
    """Every checkpoint there is against the journal from its first record."""
    run = trove.ctl("checkpoint", "verify", "--data-dir", str(trove.dir / "data"), "--json", status=0 if verdict == "proved" else 1)
    found = json.loads(run.stdout)
    assert found and all(one["state"] == verdict for one in found), found
    return found


TWO_SHARDS = "lcores: [{core: 0, run: [rx, shard]}, {core: 1, run: [shard]}]\nlimits:"
BUSY = """
hunts:
  - {{ name: trail, kind: trail, types: [view], catalog: {dir}/c.tsv, start: [A], treasure: [C], min_step: 0ms, cooldown: 2s, once: false }}
  - {{ name: tiles, kind: tiles, types: [claim], tiles: 100, period: 1s, live: 3, seed: test-seed }}
"""


def busy(make):
    """Few ids, a short window, users that are soon forgotten: all that a state can do happens in seconds."""
    text = OFTEN.replace("capacity: 500_000", "capacity: 5_000, window: 3s, policy: shorten").replace(
        "limits: {{ users: 10000 }}", "limits: {{ users: 10000, user_ttl: 2s }}").replace(
        "  types:\n", "  lateness: 3s\n  types:\n")
    trove = make(config=text)
    (trove.dir / "c.tsv").write_text(CATALOG)
    with open(trove.config, "a", encoding="utf-8") as config:
        config.write(BUSY.format(dir=trove.dir))
    return trove


def tiles_now(trove):
    return json.loads(trove.ctl("hunt", "map", str(trove.config), "--limit", "30", "--json").stdout)["tiles"]


def play(trove, rng, corrections):
    """Claims, steps of a trail, repeats and corrections, a little of each."""
    sock = udp()
    tiles = tiles_now(trove)
    for i in range(60):
        one = encode(user=f"u-{rng.randrange(40)}", item=rng.choice("ABCD"))
        sock.send(one)
        if i % 7 == 0:
            sock.send(one)
        sock.send(encode(type="claim", item=None, tile=rng.choice(tiles), user=f"u-{i}"))
    why = ["--reason", "a test", "--ref", "T-1", "--json"]
    for kind in ("grant", "revoke"):
        done = trove.ctl("patch", kind, "--user", f"u-{rng.randrange(40)}", "--hunt", "trail", *why, status=None)
        if done.returncode == 0:
            corrections.append(json.loads(done.stdout)["id"])
    if corrections and rng.random() < 0.5:
        trove.ctl("patch", "undo", rng.choice(corrections), *why, status=None)


def test_live_is_genesis_is_a_checkpoint_and_its_tail(make):
    trove = busy(make)
    text, rng, corrections = trove.config.read_text(), random.Random(7), []
    for shards in (1, 2, 2, 1):
        trove.config.write_text(text.replace("limits:", TWO_SHARDS) if shards == 2 else text)
        trove.start()
        assert trove.status()["recovery"]["differences"] == 0
        load = blast("--rate", "15k", "--duration", "4s", "--duplicates", "3%", "--malformed", "1%", "--types", "view:100",
                     "--run-id", str(rng.randrange(1 << 30)))
        before = trove.status()["checkpoint"]["made"]
        while trove.status()["checkpoint"]["made"] < before + 4:
            play(trove, rng, corrections)
            time.sleep(0.1)
        assert trove.status()["usage"]["dedupe_left_early"] > 0
        trove.kill()
        load.communicate(timeout=30)
        assert len(proved(trove)) >= 2
    assert len(corrections) > 10
    trove.start()
    recovery = trove.status()["recovery"]
    assert recovery["checkpoint"] == checkpoints(trove)[-1].name and recovery["differences"] == 0
    sock = udp()
    sock.send(encode(user="after"))
    made(trove, 1)
    assert trove.term() == 0
    proved(trove)


def segments(trove):
    return sorted(path.name for path in (trove.dir / "data/journal").glob("*.seg*"))


def until(trove, wanted, seconds=30):
    deadline = time.monotonic() + seconds
    while True:
        now = trove.status()
        if wanted(now):
            return now
        assert time.monotonic() < deadline, (now["retained"], now["checkpoint"])
        time.sleep(0.1)


def between(trove):
    """Everything is decided, and a checkpoint has all of it: one event more makes for two."""
    received = trove.settled(trove.status()["account"]["received"])["account"]["received"]
    udp().send(encode(user="between"))
    trove.settled(received + 1)
    made(trove, 2)


def steps(trove, user, items):
    sock = udp()
    for item in items:
        sock.send(encode(user=user, item=item))


RETAIN = "journal: {{ buffer: 8MiB, segment_size: 1MiB, checkpoint: 200ms, retain_bytes: 4MiB }}"


def retaining(make, more=""):
    trove = make(config=CONFIG.replace("journal: {{ buffer: 32MiB, segment_size: 16MiB }}", RETAIN), more=more)
    (trove.dir / "c.tsv").write_text(CATALOG)
    with open(trove.config, "a", encoding="utf-8") as config:
        config.write(TRAIL.format(dir=trove.dir))
    return trove


def test_the_journals_beginning_goes_and_everything_still_works(make):
    """Who has won, corrections, leaderboards, explain, replay and another capacity, all without the first records."""
    trove = retaining(make).start()
    data = ["--data-dir", str(trove.dir / "data")]
    first = encode(user="winner", item="A")
    udp().send(first)
    steps(trove, "winner", "BC")
    trove.settled(3)
    granted = json.loads(trove.ctl("patch", "grant", "--user", "given", "--hunt", "trail", "--reason", "r", "--ref", "x",
                                   "--json").stdout)
    load = blast("--rate", "15k", "--duration", "8s", "--types", "view:100")
    now = until(trove, lambda now: now["retained"]["begins"] and now["retained"]["removed_segments"] >= 6)
    load.communicate(timeout=30)
    # A second's load is more than may stay: what is to be explained comes behind a checkpoint that has all of the load.
    between(trove)
    now = until(trove, lambda now: now["retained"]["bytes"] <= 4 << 20)
    assert now["retained"]["held_by"] is None and now["retained"]["lost"] == 0
    assert "000001-000-000001.seg" not in segments(trove)
    assert "retention: removed" in trove.log.read_text()
    assert re.search(r"^retained  .* from 20\d\d-", trove.ctl("status").stdout, re.M)
    board = json.loads(trove.ctl("leaderboard", "trail", "--json").stdout)
    steps(trove, "late-user", "AB")
    trove.settled(now["account"]["received"] + 2)
    made(trove, 2)
    told = json.loads(trove.ctl("explain", "late-user", "--json").stdout)
    assert told["matches"] and told["begins"] and len(told["events"]) == 2
    assert "the journal begins at" in trove.ctl("explain", "late-user").stdout
    for ask, what in ((("explain", "winner"), "event or correction of this user"), (("rejects", "show", "0:1"), "rejected event of this number")):
        gone = trove.ctl(*ask, status=1).stderr
        assert re.search(rf"no {what}; it begins at 20\d\d-\S+ with a checkpoint", gone), gone
    status, _, problem = http(trove, "GET", f"/v1/corrections/{granted['id']}")
    assert status == 404 and "no correction of this id; it begins at 20" in problem["detail"], problem
    trove.kill()

    report = json.loads(trove.ctl("replay", *data, "--verify", "--json").stdout)
    assert report["different"] == 0 and report["events"] > 0 and report["begins"]
    proved(trove)
    trove.config.write_text(trove.config.read_text().replace("500_000", "600_000"))
    trove.start()
    recovery = trove.status()["recovery"]
    assert recovery["checkpoint"] and recovery["differences"] == 0
    sent = trove.status()["account"]["received"]
    udp().send(encode(user="winner", item="A"))
    steps(trove, "winner", "BC")
    trove.settled(sent + 3)
    assert not [o for o in trove.outcomes() if o["outcome"] == "award" and o["user"] == "winner"][1:]
    again = json.loads(trove.ctl("patch", "grant", "--user", "given", "--hunt", "trail", "--reason", "r", "--ref", "x",
                                 "--id", granted["id"], "--json").stdout)
    assert again["award"] == granted["award"]
    assert json.loads(trove.ctl("leaderboard", "trail", "--json").stdout)["top"] == board["top"]
    assert trove.term() == 0


def test_compressed_segments_go_as_well(make):
    """Cold segments are compressed before their time is over; what is kept begins in the middle of them."""
    trove = make(config=CONFIG.replace("journal: {{ buffer: 32MiB, segment_size: 16MiB }}", "journal: {{ buffer: 8MiB, segment_size: 1MiB, "
                                       "checkpoint: 200ms, compress_after: 1s, retain: 6s }}").replace(
        "  dedupe: {{ capacity: 500_000 }}", "  lateness: 5s\n  dedupe: {{ capacity: 500_000, window: 5s }}"))
    (trove.dir / "c.tsv").write_text(CATALOG)
    with open(trove.config, "a", encoding="utf-8") as config:
        config.write(TRAIL.format(dir=trove.dir))
    trove.start()
    packed = set()
    load = blast("--rate", "8k", "--duration", "15s", "--types", "view:100")

    def gone(now):
        packed.update(name for name in segments(trove) if name.endswith(".zst"))
        return packed - set(segments(trove)) and now["retained"]["removed_segments"] >= 3 and now["retained"]["begins"]

    until(trove, gone, 60)
    load.communicate(timeout=60)
    udp().send(encode(user="last"))
    made(trove, 1)
    left = segments(trove)
    assert any(name.endswith(".zst") for name in left) and "000001-000-000001.seg" not in {name.removesuffix(".zst") for name in left}
    trove.kill()
    data = ["--data-dir", str(trove.dir / "data")]
    assert "0 not as they were written" in trove.ctl("segment", "verify", *data).stdout
    report = json.loads(trove.ctl("replay", *data, "--verify", "--json").stdout)
    assert report["different"] == 0 and report["events"] > 0 and report["begins"]
    proved(trove)
    trove.start()
    assert trove.status()["recovery"]["differences"] == 0
    assert trove.term() == 0


def test_what_a_sink_has_not_read_stays(make):
    """A sink that is paused holds what it has not read; told that it may lose, it loses, it is said, and it goes on."""
    trove = retaining(make)
    text = trove.config.read_text()
    trove.config.write_text(text.replace("sinks:\n", f"sinks:\n  - {{ name: slow, type: file, path: {trove.dir}/slow.ndjson }}\n"))
    trove.start()
    udp().send(encode(user="first"))
    trove.settled(1)
    trove.ctl("sink", "slow", "pause")
    load = blast("--rate", "15k", "--duration", "5s", "--types", "view:100")
    load.communicate(timeout=30)
    now = until(trove, lambda now: now["retained"]["held_by"] == "slow")
    assert now["retained"]["removed_segments"] == 0 and "000001-000-000001.seg" in segments(trove)
    assert "more is held for slow" in trove.ctl("status").stdout
    with open(trove.config, "a", encoding="utf-8") as config:
        config.write("overload: { sink_full: drop }\n")
    trove.ctl("conf", "apply", str(trove.config))
    now = until(trove, lambda now: now["retained"]["removed_segments"] > 0)
    assert now["retained"]["lost"] > 0 and any("had not read" in one for one in now["warnings"])
    assert "sink 'slow' had not read" in trove.log.read_text()
    trove.kill()
    trove.start()
    trove.ctl("sink", "slow", "resume")
    udp().send(encode(user="last"))
    now = until(trove, lambda now: now["sinks"][0]["delivered"] and not now["sinks"][0]["lag_records"])
    assert now["sinks"][0]["state"] == "ok" and now["sinks"][0]["skipped"] > 0
    assert trove.term() == 0
    users = [json.loads(line)["user"] for line in (trove.dir / "slow.ndjson").read_text().splitlines()]
    assert users[0] == "first" and users[-1] == "last"


def flip(path, offset):
    data = bytearray(path.read_bytes())
    data[offset] ^= 4
    path.write_bytes(bytes(data))


def filled(make, build=often):
    """A data directory with two checkpoints and a winner, its daemon killed."""
    trove = build(make).start()
    steps(trove, "winner", "ABC")
    trove.settled(3)
    made(trove, 2)
    trove.kill()
    assert len(checkpoints(trove)) == 2
    return trove


def winner_is_known(trove):
    sent = trove.status()["account"]["received"]
    steps(trove, "winner", "ABC")
    trove.settled(sent + 3)
    return len([o for o in trove.outcomes() if o["outcome"] == "award"]) == 1


def test_a_checkpoint_that_does_not_verify_is_kept_and_the_one_before_is_used(make):
    trove = filled(make)
    older, newest = checkpoints(trove)
    flip(newest, 4096 * 100 + 50)
    damaged = newest.read_bytes()
    trove.start()
    recovery = trove.status()["recovery"]
    assert (recovery["checkpoint"], recovery["set_aside"], recovery["differences"]) == (older.name, 1, 0)
    assert f"checkpoint {newest.name} does not verify; it is kept as {newest.name}.bad" in trove.log.read_text()
    assert newest.with_name(newest.name + ".bad").read_bytes() == damaged
    assert any("set aside" in one for one in trove.status()["warnings"])
    assert winner_is_known(trove)
    assert trove.term() == 0


def test_without_a_checkpoint_that_verifies_the_whole_journal_is_read(make):
    trove = filled(make)
    for path in checkpoints(trove):
        flip(path, 100)
    trove.start()
    recovery = trove.status()["recovery"]
    assert (recovery["checkpoint"], recovery["set_aside"], recovery["events"]) == (None, 2, 3)
    assert winner_is_known(trove)
    assert trove.term() == 0


def test_without_a_checkpoint_and_without_the_first_records_there_is_no_start(make):
    trove = retaining(make).start()
    load = blast("--rate", "15k", "--duration", "4s", "--types", "view:100")
    load.communicate(timeout=30)
    until(trove, lambda now: now["retained"]["removed_segments"] > 0)
    trove.kill()
    good = {path: path.read_bytes() for path in checkpoints(trove)}
    for path in good:
        flip(path, 100)
    kept = segments(trove)
    trove.start(expect_ready=False)
    assert trove.wait() == 1
    assert re.search(r"error: .*no checkpoint verifies, and the journal begins at 20\d\d-.*nothing was changed", trove.log.read_text())
    assert segments(trove) == kept
    for path, data in good.items():
        path.with_name(path.name + ".bad").unlink()
        path.write_bytes(data)
    trove.start()
    assert trove.status()["recovery"]["differences"] == 0
    assert trove.term() == 0


def test_a_segment_that_a_checkpoint_needs_is_missed(make):
    trove = filled(make)
    (trove.dir / "data/journal" / segments(trove)[-1]).unlink()
    trove.start(expect_ready=False)
    assert trove.wait() == 1
    log = trove.log.read_text()
    assert "error" in log and "nothing was changed" in log, log


def test_checkpoints_that_cannot_be_made_are_told_and_made_again(make, tmp_path):
    trove = often(make)
    small = trove.dir / "data/checkpoint"
    small.mkdir(parents=True)
    mount = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", small], check=False)
    if mount.returncode:
        pytest.skip("no file system can be mounted here")
    try:
        trove.start()
        steps(trove, "winner", "AB")
        now = until(trove, lambda now: now["checkpoint"]["failed"] > 0)
        assert now["checkpoint"]["error"] == "No space left on device" and now["state"] == "running"
        assert any("checkpoint could not be made" in one for one in now["warnings"])
        assert not list(small.iterdir()), "what was not finished is in the way"
        subprocess.run(["mount", "-o", "remount,size=64m", small], check=True)
        now = until(trove, lambda now: now["checkpoint"]["made"] > 0)
        assert now["checkpoint"]["error"] is None
        assert "a checkpoint could not be made: No space left" in trove.log.read_text()
        assert trove.term() == 0
    finally:
        subprocess.run(["umount", "-l", small], check=False)


def test_term_ends_a_recovery_and_nothing_is_changed(make):
    trove = make(config=CONFIG.replace("journal: {{ buffer: 32MiB, segment_size: 16MiB }}", "journal: {{ buffer: 32MiB, segment_size: 16MiB, checkpoint: 0s }}"))
    trove.start()
    load = blast("--rate", "40k", "--duration", "4s", "--types", "view:100")
    load.communicate(timeout=30)
    trove.kill()
    before = {name: (trove.dir / "data/journal" / name).stat().st_size for name in segments(trove)}
    # Each read of a segment takes 0.2 s, so that there is a recovery to end.
    with open(trove.log, "w", encoding="utf-8") as log:
        trove.process = subprocess.Popen(["strace", "-D", "-f", "-qq", "-o", "/dev/null", "-e", "trace=pread64", "-e", "inject=pread64:delay_enter=200000",
                                          BUILD / "dataplane/troved", "--config", trove.config], stderr=log, stdout=log)
    deadline = time.monotonic() + 30
    while "recovering: " not in trove.log.read_text():
        assert trove.process.poll() is None and time.monotonic() < deadline, trove.log.read_text()
        time.sleep(0.05)
    assert trove.term() == 0, trove.log.read_text()
    assert "stopped while recovering; nothing was changed" in trove.log.read_text()
    assert {name: (trove.dir / "data/journal" / name).stat().st_size for name in before} == before
    trove.start()
    assert trove.status()["recovery"]["differences"] == 0
    assert trove.term() == 0
