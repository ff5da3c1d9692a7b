"""trovectl segment: the files of a journal, verified to the last bit and written out, beside a daemon or without one."""
import json
import random

from conftest import encode, udp
from test_damage import SMALL, filled, flip, segments


def segment(trove, *args, status=0):
    return trove.ctl("segment", *args, "--data-dir", trove.dir / "data", status=status)


def test_a_journal_is_listed_and_whole(make):
    trove = filled(make)
    listed = json.loads(segment(trove, "list", "--json").stdout)
    assert [one["segment"] for one in listed] == [path.name for path in segments(trove)]
    assert all(one["state"] == "readable" for one in listed)
    found = json.loads(segment(trove, "verify", "--json").stdout)
    assert [one["state"] for one in found] == ["whole"] * len(listed)
    assert sum(one["records"] for one in found) >= 2 * 80
    assert "0 not as they were written" in segment(trove, "verify").stdout


def test_a_flipped_bit_anywhere_is_found_and_named(make):
    trove = filled(make)
    chance = random.Random(5)
    for path in segments(trove):
        whole = path.read_bytes()
        for offset in [0, 20, 4000, len(whole) - 1, *(chance.randrange(len(whole)) for _ in range(12))]:
            flip(path, offset)
            run = segment(trove, "verify", path.name, status=1)
            assert f"{path.name}" in run.stdout and "at offset" in run.stdout, (path.name, offset, run.stdout)
            flip(path, offset)
    segment(trove, "verify")


def test_a_missing_segment_is_named(make):
    trove = make(config=SMALL).start()
    sock = udp()
    for i in range(2500):
        sock.send(encode(user=f"u-{i}", note="x" * 900))
    trove.settled(2500)
    assert trove.term() == 0
    assert len(segments(trove)) >= 3
    gone = segments(trove)[1]
    gone.unlink()
    run = segment(trove, "verify", status=1)
    assert f"{gone.name}" in run.stdout and "missing" in run.stdout


def test_beside_a_running_daemon_it_is_whole(make):
    trove = make(config=SMALL).start()
    sock = udp()
    for i in range(500):
        sock.send(encode(user=f"u-{i}"))
        if i % 100 == 0:
            segment(trove, "verify")
    trove.settled(500)
    run = segment(trove, "verify")
    assert "whole" in run.stdout
    assert trove.term() == 0


def test_everything_is_written_out_as_it_came(make):
    trove = make(config=SMALL).start()
    sock = udp()
    first = encode(user="u-1")
    for datagram in first, first, b"\xff\xfe no event":
        sock.send(datagram)
    trove.settled(3)
    assert trove.term() == 0
    lines = [json.loads(line) for line in segment(trove, "export").stdout.splitlines()]
    assert [line["ordinal"] for line in lines] == list(range(1, len(lines) + 1))
    events = [line for line in lines if line["kind"] == "event"]
    assert [line["text"] for line in events] == [first.decode()]
    dead = [line for line in lines if line["kind"] == "rejected"]
    assert len(dead) == 1 and bytes.fromhex(dead[0]["hex"]) == b"\xff\xfe no event" and dead[0]["reason"]
    again = [line for line in lines if line.get("result") == "duplicate"]
    assert len(again) == 1 and again[0]["first_seq"] == events[0]["seq"]
    one = segments(trove)[0].name
    assert len(segment(trove, "export", one).stdout.splitlines()) == len(lines)


def test_what_cannot_be_read_is_said(make):
    trove = filled(make, epochs=1)
    assert "say which data_dir" in trove.ctl("segment", "list", status=2).stderr
    assert "is named like" in segment(trove, "verify", "000001", status=2).stderr
    assert "has no segment" in segment(trove, "verify", "000009-000-000001.seg", status=1).stderr
    path = segments(trove)[0]
    flip(path, 4096 + 100)
    run = segment(trove, "export", status=1)
    assert "offset 4096" in run.stderr and "trovectl segment verify" in run.stderr
