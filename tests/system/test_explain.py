"""The story behind a verdict: explain, event, rejects and hunt test, with the daemon and beside it."""
import json
import shutil
import socket
import struct
import subprocess
import time
import uuid

import pytest

from conftest import ADDRESS, CONFIG, PORT, encode, udp

HUNT = """\
hunts:
  - name: spring
    kind: trail
    types: [view]
    catalog: {dir}/c.tsv
    start: [A]
    treasure: [C]
    min_step: 300ms
"""


@pytest.fixture
def hunt(make):
    trove = make()
    (trove.dir / "c.tsv").write_text("A\tB\t1\nB\tC\t1\nA\tX\t1\n")
    trove.config.write_text(trove.config.read_text() + HUNT.format(dir=trove.dir))
    return trove.start()


def play(trove, user="u-1"):
    """start, too fast, step, award; then one again and one late; returns the ids by what they are."""
    sock, ids = udp(), {}

    def line(name, item, **more):
        ids[name] = str(uuid.uuid4())
        return encode(id=ids[name], user=user, item=item, **more)

    def send(name, item, **more):
        sock.send(line(name, item, **more))

    def pause(received):
        """What was sent has its receive time, and min_step is over, however slow the host."""
        trove.settled(received)
        time.sleep(0.4)

    sock.send(line("start", "A") + b"\n" + line("too_fast", "B"))
    pause(2)
    send("step", "B")
    pause(3)
    send("award", "C")
    sock.send(encode(id=ids["award"], user=user, item="C"))
    send("late", "A", time=int(time.time() * 1000) - 3600_000)
    send("clamped", "A", time=int(time.time() * 1000) + 60_000)
    sock.send(encode(user=user, type="unheard-of"))
    sock.send(encode(user="somebody-else", item="A"))
    sock.send(b'{"user":"' + user.encode())
    trove.settled(10)
    return ids


def line_of(trove, text):
    return next(n for n, line in enumerate(trove.config.read_text().splitlines(), 1) if text in line)


def offline(trove, *args, status=0):
    return trove.ctl(*args, "--data-dir", str(trove.dir / "data"), status=status)


def check_story(trove, story, ids):
    by_id = {}
    for one in story["events"]:
        by_id.setdefault(one.get("id"), []).append(one)
    assert story["matches"] and story["differences"] == 0
    assert len(story["events"]) == 8, story
    refused = by_id[ids["too_fast"]][0]["outcomes"][0]
    assert (refused["outcome"], refused["refusal"]) == ("refusal", "too_fast")
    assert refused["rule"]["line"] == line_of(trove, "min_step")
    assert refused["rule"]["text"] == "min_step: 300ms"
    assert by_id[ids["start"]][0]["outcomes"][0]["step"]
    first, again = by_id[ids["award"]]
    assert first["outcomes"][0]["items"] == ["A", "B", "C"]
    assert first["outcomes"][0]["rule"]["line"] == line_of(trove, "treasure")
    assert (again["result"], again["first_seq"]) == ("duplicate", first["seq"])
    late, clamped = by_id[ids["late"]][0], by_id[ids["clamped"]][0]
    assert late["flags"] == ["late"] and late["outcomes"][0]["outcome"] == "late"
    assert clamped["flags"] == ["clamped"] and clamped["clamped_rule"]["key"] == "skew_tolerance"
    dead = [one for one in story["events"] if one["result"] == "rejected"]
    assert [(one["reason"], one["rule"]["line"]) for one in dead] == [("type_unknown", line_of(trove, "types:"))]
    assert story["unattributed"] == 1
    assert story["hunts"]["spring"]["awards"] == 1
    assert story["hunts"]["spring"]["refusals"] == {"too_fast": 1}


def test_a_users_story_names_the_line_that_decided(hunt):
    ids = play(hunt)
    check_story(hunt, json.loads(hunt.ctl("explain", "u-1", "--json").stdout), ids)
    check_story(hunt, json.loads(offline(hunt, "explain", "u-1", "--json").stdout), ids)
    text = hunt.ctl("explain", "u-1", "--hunt", "spring").stdout
    assert "refusal too_fast" in text and f":{line_of(hunt, 'min_step')}  min_step: 300ms" in text
    assert "as recorded" in text
    hunt.ctl("explain", "nobody", status=1)
    offline(hunt, "explain", "nobody", status=1)


def test_one_event_is_found_by_its_id(hunt):
    ids = play(hunt)
    for ask in (hunt.ctl, lambda *args, **more: offline(hunt, *args, **more)):
        story = json.loads(ask("event", ids["award"], "--json").stdout)
        assert [one["result"] for one in story["events"]] == ["accepted", "duplicate"]
        assert story["events"][0]["user"] == "u-1" and story["matches"]
        ask("event", str(uuid.uuid4()), status=1)
        ask("event", "no-uuid", status=2)


def test_the_story_is_the_same_after_a_kill_and_under_a_later_configuration(hunt):
    ids = play(hunt)
    before = json.loads(hunt.ctl("explain", "u-1", "--json").stdout)
    hunt.kill()
    check_story(hunt, json.loads(offline(hunt, "explain", "u-1", "--json").stdout), ids)
    old = line_of(hunt, "min_step")
    hunt.config.write_text("# a line more\n" + hunt.config.read_text().replace("300ms", "1ms"))
    hunt.start()
    after = json.loads(hunt.ctl("explain", "u-1", "--json").stdout)
    assert after["events"] == before["events"]
    udp().send(encode(user="u-2", item="A") + b"\n" + encode(user="u-2", item="B"))
    hunt.settled(2)
    now = json.loads(hunt.ctl("explain", "u-2", "--json").stdout)
    rule = now["events"][1]["outcomes"][0]["rule"]
    assert rule["line"] == old + 1 or rule["key"] == "catalog"


# ---- tiles and variants ----

TILES = """\
hunts:
  - name: map
    kind: tiles
    types: [claim]
    tiles: 100
    period: 10m
    live: 2
    seed: s
  - name: past
    kind: tiles
    ends: 2020-01-01T00:00:00Z
    tiles: 10
    seed: t
"""


def test_a_claims_story_names_the_tile_and_the_line_that_decided(make):
    trove = make()
    trove.config.write_text(trove.config.read_text() + TILES)
    trove.start()

    def tile(*at):
        return json.loads(trove.ctl("hunt", "map", str(trove.config), "--hunt", "map", *at, "--limit", "1", "--json").stdout)["tiles"][0]

    asked = [("first", tile(), None), ("second", tile(), "taken"), ("first", tile("--at", "2020-01-01T00:00:00Z"), "expired"),
             ("first", tile("--at", "2120-01-01T00:00:00Z"), "early"), ("first", "t", "unknown_tile")]
    for number, (user, name, _) in enumerate(asked, 1):
        udp().send(encode(user=user, type="claim", item=None, tile=name, hunt="map"))
        trove.settled(number)
    udp().send(encode(user="first", type="claim", item=None, tile=tile()))
    trove.settled(len(asked) + 1)
    lines = {None: "tiles: 100", "taken": "tiles: 100", "expired": "live: 2", "early": "period: 10m", "unknown_tile": "tiles: 100"}
    trove.kill()
    for ask in (trove.ctl, lambda *args, **more: offline(trove, *args, **more)):
        if ask == trove.ctl:
            trove.start()
        for user in ("first", "second"):
            story = json.loads(ask("explain", user, "--hunt", "map", "--json").stdout)
            assert story["matches"] and story["differences"] == 0
            told = [(one["tile"], one["outcomes"][0]) for one in story["events"]]
            want = [(name, refusal) for who, name, refusal in asked if who == user] + [(tile(), "taken")] * (user == "first")
            assert [(name, outcome.get("refusal")) for name, outcome in told] == want
            for (name, outcome), (_, refusal) in zip(told, want):
                assert outcome["outcome"] == ("claim_refused" if refusal else "claim_granted")
                assert outcome["rule"]["text"] == lines[refusal] and outcome["rule"]["line"] == line_of(trove, lines[refusal])
                assert outcome.get("award", "").startswith("aw-") == (refusal is None)
        assert story["hunts"]["map"] == {"events": 1, "awards": 0, "refusals": {"taken": 1}}
    # What is not asked for one hunt is told for each, the shut one too.
    last = json.loads(offline(trove, "explain", "first", "--json").stdout)
    assert last["hunts"]["map"]["awards"] == 1 and last["hunts"]["past"]["refusals"] == {"window": 1}
    shut = [o for o in last["events"][-1]["outcomes"] if o["hunt"] == "past"]
    assert shut[0]["rule"]["text"] == "ends: 2020-01-01T00:00:00Z"
    granted = [o for o in trove.outcomes() if o["outcome"] == "claim_granted"]
    assert f"claim_granted, {granted[0]['award']}   <- " in offline(trove, "explain", "first").stdout


PAIRS = """\
hunts:
  - {{ name: pairs, kind: basket, types: [view], catalog: {dir}/c.tsv, threshold: 0.5, items: 2, variants: {variants}, rewards: {{ double: 10 points }} }}
"""


def test_the_story_tells_the_variant_of_its_time(make):
    trove = make()
    (trove.dir / "c.tsv").write_text("A\tB\t10\nB\tA\t10\n")
    plain = trove.config.read_text()

    def version(variants):
        trove.config.write_text(plain + PAIRS.format(dir=trove.dir, variants=variants))
        return trove.config

    version("{ plain: 0, double: 1 }")
    trove.start()
    udp().send(encode(user="early", item="A"))
    trove.settled(1)
    trove.ctl("conf", "apply", str(version("{ plain: 1, double: 0 }")))
    sock = udp()
    for user, item in (("early", "B"), ("new", "A"), ("new", "B")):
        sock.send(encode(user=user, item=item))
    trove.settled(4)
    want = {"early": ("double", "10 points"), "new": ("plain", None)}
    for ask in (trove.ctl, lambda *args, **more: offline(trove, *args, **more)):
        for user, (variant, reward) in want.items():
            story = json.loads(ask("explain", user, "--json").stdout)
            visit, award = [one["outcomes"][0] for one in story["events"]]
            assert story["matches"] and (award["variant"], award.get("reward")) == (variant, reward)
            assert award["outcome"] == "award" and "variant" not in visit
    assert ", variant double, reward 10 points   <- " in trove.ctl("explain", "early").stdout


# ---- corrections ----

WHY = ("--reason", "double scan at booth 4", "--ref", "OPS-311")


def correct(trove, *args, status=0):
    return json.loads(trove.ctl("patch", *args, *WHY, "--json", status=status).stdout)


def test_corrections_are_told_with_why_and_by_whom(hunt):
    ids = play(hunt)
    of = ("--user", "u-1", "--hunt", "spring")
    taken = correct(hunt, "revoke", *of)
    assert correct(hunt, "revoke", *of, status=1)["code"] == "not_won"
    given = correct(hunt, "grant", *of)
    undone = correct(hunt, "undo", given["id"])
    correct(hunt, "grant", "--user", "only-granted", "--hunt", "spring")
    want = [("revoke", "revoked"), ("revoke", "correction_refused"), ("grant", "granted"), ("undo", "revoked")]
    for ask in (hunt.ctl, lambda *args, **more: offline(hunt, *args, **more)):
        story = json.loads(ask("explain", "u-1", "--hunt", "spring", "--json").stdout)
        assert story["matches"] and story["differences"] == story["differences_elsewhere"] == 0
        told = [one for one in story["events"] if one["result"] == "corrected"]
        assert story["events"][-4:] == told and len(story["events"]) == 12
        assert [(one["correction"], one["outcomes"][0]["outcome"]) for one in told] == want
        assert {(one["user"], one["reason"], one["ref"], one["by"]) for one in told} == {("u-1", WHY[1], WHY[3], taken["by"])}
        assert (told[0]["id"], told[0]["seq"]) == (taken["id"], taken["seq"])
        assert told[0]["outcomes"][0]["award"] == taken["award"]
        assert told[1]["outcomes"][0]["refusal"] == "not_won" and told[3]["undo"] == given["id"]
        assert (told[3]["id"], told[3]["outcomes"][0]["award"]) == (undone["id"], given["award"])
        assert {key: story["hunts"]["spring"][key] for key in ("events", "awards", "granted", "revoked")} == {
            "events": 5, "awards": 0, "granted": 1, "revoked": 2}
        assert story["hunts"]["spring"]["refusals"] == {"too_fast": 1}
        text = ask("explain", "u-1", "--hunt", "spring").stdout
        assert f"corrected  grant  by {given['by']}  OPS-311: {WHY[1]}\n" in text and f"granted, {given['award']}\n" in text
        assert ", 0 awards, granted 1, revoked 2, refused too_fast 1" in text
        assert text.endswith("next   trovectl patch grant --user u-1 --hunt spring --reason TEXT --ref REF\n")
        only = json.loads(ask("explain", "only-granted", "--json").stdout)
        assert [one["result"] for one in only["events"]] == ["corrected"] and only["matches"]
        assert only["hunts"]["spring"] == {"events": 0, "awards": 1, "refusals": {}, "granted": 1}
        ask("explain", "only-granted", "--hunt", "another", status=1)
        # An event's story is not its user's.
        assert len(json.loads(ask("event", ids["start"], "--json").stdout)["events"]) == 1


def test_a_tiles_correction_is_told_to_the_user_it_names(make):
    """It lies in the tile's partition, wherever that is, not in the user's."""
    trove = make()
    trove.config.write_text(trove.config.read_text() + TILES)
    trove.start()
    tiles = json.loads(trove.ctl("hunt", "map", str(trove.config), "--hunt", "map", "--limit", "8", "--json").stdout)["tiles"]
    for tile in tiles:
        correct(trove, "grant", "--user", "ann", "--hunt", "map", "--tile", tile)
    correct(trove, "revoke", "--user", "ann", "--hunt", "map", "--tile", tiles[0])
    for ask in (trove.ctl, lambda *args, **more: offline(trove, *args, **more)):
        story = json.loads(ask("explain", "ann", "--json").stdout)
        assert story["matches"] and [one["tile"] for one in story["events"]] == [*tiles, tiles[0]]
        assert len({one["seq"].split(":")[0] for one in story["events"]}) > 1
        assert story["hunts"]["map"] == {"events": 0, "awards": 7, "refusals": {}, "granted": 8, "revoked": 1}


# ---- limits ----


def get(trove, path):
    """What the control socket answers to a request that trovectl would not make: status and body."""
    sock = socket.socket(socket.AF_UNIX)
    sock.settimeout(20)
    sock.connect(str(trove.dir / "ctl.sock"))
    sock.sendall(f"GET {path} HTTP/1.1\r\nHost: trove\r\nConnection: close\r\n\r\n".encode())
    answer = b"".join(iter(lambda: sock.recv(65536), b""))
    head, body = answer.split(b"\r\n\r\n", 1)
    return int(head.split()[1]), json.loads(body)


def test_a_user_is_1_to_64_bytes(trove):
    longest = "u" * 64
    udp().send(encode(user=longest))
    trove.settled(1)
    assert get(trove, f"/v1/users/{longest}/explain")[1]["events"][0]["user"] == longest
    assert json.loads(trove.ctl("explain", longest, "--json").stdout)["matches"]
    for path in (f"/v1/users/{longest}u/explain", "/v1/users//explain", "/v1/users/u-1"):
        status, problem = get(trove, path)
        assert status == 404 and "64 bytes" in problem["detail"], (path, problem)
    assert "1 to 64 bytes" in trove.ctl("explain", longest + "u", status=2).stderr


def test_the_newest_events_are_told_and_the_others_counted(trove):
    """2,000 of them: two of more than that, in order."""
    sock, ids = udp(), []
    for first in range(0, 2040, 8):
        ids += [str(uuid.uuid4()) for _ in range(8)]
        sock.send(b"\n".join(encode(id=ident, item="A") for ident in ids[first:]))
        if first % 512 == 0:
            trove.settled(len(ids))
    trove.settled(len(ids))
    for ask in (trove.ctl, lambda *args, **more: offline(trove, *args, **more)):
        story = json.loads(ask("explain", "u-1", "--json").stdout)
        assert [one["id"] for one in story["events"]] == ids[-2000:]
        assert story["not_shown"] == len(ids) - 2000 and story["matches"]
        assert f"{len(ids) - 2000} earlier events not shown" in ask("explain", "u-1").stdout


def refused_but_offline(trove, what):
    """The socket says 503 and what to do instead, which works."""
    for path in ("/v1/users/u-1/explain", f"/v1/events/{trove.event_id}"):
        status, problem = get(trove, path)
        assert status == 503 and problem["code"] == "journal_too_long" and what in problem["detail"], problem
        assert "--data-dir" in problem["next"] and str(trove.dir / "data") in problem["detail"]
    assert json.loads(offline(trove, "explain", "u-1", "--json").stdout)["matches"]


def test_a_partition_too_big_for_the_socket_is_told_offline(make):
    """256 MiB for a partition's state: here one partition has all two million users."""
    trove = make(config=CONFIG.replace("users: 10000", "users: 2_000_000") + "\npartitions: 1\n").start()
    trove.event_id = str(uuid.uuid4())
    udp().send(encode(id=trove.event_id))
    trove.settled(1)
    refused_but_offline(trove, "the state of partition 0 takes")
    assert "--data-dir" in trove.ctl("explain", "u-1", status=1).stderr
    assert trove.status()["account"]["lost"] == 0


@pytest.mark.skipif(not shutil.which("strace"), reason="strace is not installed")
def test_a_journal_that_takes_more_than_five_seconds_is_told_offline(trove):
    """Its first read takes that long; ingest does not wait for it, and the next request finds all as before."""
    sock = udp()
    for _ in range(80):
        sock.send(b"\n".join(encode() for _ in range(8)))
    trove.settled(640)
    slow = subprocess.Popen(["strace", "-f", "-qq", "-o", "/dev/null", "-p", str(trove.process.pid), "-e", "trace=pread64", "-e",
                             "inject=pread64:delay_exit=5200000:when=1"])
    try:
        deadline = time.monotonic() + 10
        status = f"/proc/{trove.process.pid}/status"
        while "TracerPid:\t0\n" in open(status, encoding="utf-8").read():
            assert time.monotonic() < deadline
            time.sleep(0.02)
        began = time.monotonic()
        run = trove.ctl("explain", "u-1", status=1)
        assert time.monotonic() - began < 8
        assert "too long to be read again" in run.stderr and "--data-dir" in run.stderr
    finally:
        slow.terminate()
        slow.wait()
    assert json.loads(trove.ctl("explain", "u-1", "--json").stdout)["matches"]


def crc32c(data):
    crc = 0xffffffff
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82f63b78 if crc & 1 else 0)
    return crc ^ 0xffffffff


def tamper(path, change):
    """Rewrites the last block of a segment with a correct CRC; change(records) edits [offset, kind] in place."""
    data, at, last = bytearray(path.read_bytes()), 4096, None
    while at < len(data) and data[at:at + 4] == b"TBLK":
        last, size = at, struct.unpack_from("<I", data, at + 44)[0]
        at += (64 + size + 4095) // 4096 * 4096
    size = struct.unpack_from("<I", data, last + 44)[0]
    record, end, changed = last + 64, last + 64 + size, 0
    while record < end:
        body_len, kind = struct.unpack_from("<IB", data, record)
        changed += bool(change(data, record + 32, kind))
        record += 32 + (body_len + 7) // 8 * 8
    struct.pack_into("<I", data, last + 4, crc32c(data[last + 8:last + 64 + size]))
    path.write_bytes(data)
    return changed


def test_a_stored_outcome_that_was_changed_is_told(hunt):
    udp().send(encode(item="A") + b"\n" + encode(item="B"))
    hunt.settled(2)
    assert hunt.term() == 0
    offline(hunt, "explain", "u-1")
    segment = sorted((hunt.dir / "data/journal").iterdir())[-1]

    def refuse_for_depth(data, body, kind):
        if kind == 3 and data[body] == 2:  # an outcome that is a refusal: another reason for it
            data[body + 1] = 3
            return True
        return False

    assert tamper(segment, refuse_for_depth) == 1
    run = offline(hunt, "explain", "u-1", "--json", status=1)
    story = json.loads(run.stdout)
    assert not story["matches"] and story["differences"] == 1
    told = story["events"][1]["outcomes"][0]
    assert (told["refusal"], told["recomputed"]["refusal"]) == ("max_depth", "too_fast")
    assert "differs from what was recorded" in run.stderr
    offline(hunt, "explain", "u-1", "--hunt", "spring", status=1)


def test_rejected_events_are_listed_shown_and_driven_again(hunt):
    sock = udp()
    late_type = encode(type="soon", user="u-9", item="A")
    for payload in (b'{"id":1}', late_type, b"\xff", b'{"x":'):
        sock.send(payload)
        time.sleep(0.02)
    hunt.settled(4)
    for ask in (hunt.ctl, lambda *args, **more: offline(hunt, *args, **more)):
        listed = json.loads(ask("rejects", "list", "--json").stdout)
        assert listed["total"] == 4 and listed["by_reason"]["type_unknown"] == 1
        assert listed["rejects"][-1]["text"] == '{"id":1}'  # the newest come first
        one = json.loads(ask("rejects", "list", "--reason", "type_unknown", "--limit", "1", "--json").stdout)["rejects"][0]
        shown = json.loads(ask("rejects", "show", one["seq"], "--json").stdout)
        assert bytes.fromhex(shown["hex"]) == late_type
        assert ask("rejects", "redrive", "--reason", "type_unknown").stdout.encode() == late_type + b"\n"
        ask("rejects", "show", "1:999999", status=1)
        ask("rejects", "show", "x", status=2)
    bad = next(one["seq"] for one in listed["rejects"] if one["text"] == '{"x":')
    lines = hunt.ctl("rejects", "show", bad).stdout.splitlines()
    assert lines[1] == '{"x":' and lines[2] == "     ^"
    assert "type_unknown 1" in hunt.ctl("rejects").stdout

    hunt.config.write_text(hunt.config.read_text().replace("    view:", "    soon: {}\n    view:"))
    hunt.ctl("conf", "apply", str(hunt.config))
    sent = hunt.ctl("rejects", "redrive", "--reason", "type_unknown", "--to", f"{ADDRESS}:{PORT}", "--json")
    assert json.loads(sent.stdout)["sent"] == 1
    assert hunt.settled(5)["account"]["accepted"] == 1
    story = json.loads(hunt.ctl("explain", "u-9", "--json").stdout)
    assert [one["result"] for one in story["events"]] == ["rejected", "accepted"] and story["matches"]


def test_reading_beside_the_daemon_changes_nothing(hunt):
    play(hunt)

    def times():
        """Of every file but those that the daemon's own readers of the journal keep."""
        return {path: path.stat().st_mtime_ns for path in (hunt.dir / "data").rglob("*") if "sinks" not in path.parts}

    before = times()
    offline(hunt, "explain", "u-1")
    offline(hunt, "rejects")
    assert before == times()
    offline_dir = hunt.ctl("explain", "u-1", "--data-dir", str(hunt.dir), status=1)
    assert "no data directory" in offline_dir.stderr


TEST = [
    {"at": "+0s", "event": {"user": "u", "type": "view", "item": "A"}, "expect": ["spring step"]},
    {"at": "+0.2s", "event": {"user": "u", "type": "view", "item": "B"}, "expect": ["refusal:too_fast"]},
    {"at": "+1s", "event": {"user": "u", "type": "view", "item": "B"}, "expect": ["step"]},
    {"at": "+2s", "event": {"user": "u", "type": "view", "item": "C"}, "expect": ["award"]},
    {"at": "+2s", "event": {"user": "u", "type": "claim", "tile": "t"}, "expect": ["visit"]},
    {"at": "+2s", "event": {"user": "u", "type": "no"}, "expect": ["rejected:type_unknown"]},
    {"at": "+3s", "event": "{", "expect": ["rejected:syntax"]},
]


def test_a_hunt_is_tested_offline(make):
    trove = make()
    (trove.dir / "c.tsv").write_text("A\tB\t1\nB\tC\t1\n")
    trove.config.write_text(trove.config.read_text() + HUNT.format(dir=trove.dir))
    file = trove.dir / "spring.test"

    def run(lines, status=0):
        file.write_text("".join(json.dumps(line) + "\n" for line in [{"config": "trove.yaml"}, *lines]))
        return trove.ctl("hunt", "test", str(file), status=status)

    assert "7 events as expected" in run(TEST).stdout
    wrong = [*TEST[:1], {**TEST[1], "expect": ["step"]}, *TEST[2:]]
    out = run(wrong, status=1).stdout
    assert f"{file}:3: not as expected" in out and "expected step" in out and "spring refusal:too_fast" in out
    assert "1 of 7 events" in out
    assert "at must be" in run([{"at": "soon", "event": {}, "expect": []}], status=1).stderr
    file.write_text('{"config": "missing.yaml"}\n')
    assert "missing.yaml" in trove.ctl("hunt", "test", str(file), status=1).stderr
