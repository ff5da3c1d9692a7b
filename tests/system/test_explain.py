"""The story behind a verdict: explain, event, rejects and hunt test, with the daemon and beside it."""
import json
import struct
import time
import uuid

import pytest

from conftest import ADDRESS, PORT, encode, udp

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
