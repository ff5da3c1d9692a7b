"""trovectl replay: the journal decided once more, as it was and as another configuration would have it."""
import json
import struct

import pytest

from conftest import encode, udp
from test_damage import blocks, segments
from test_explain import HUNT, crc32c, play


@pytest.fixture
def played(make):
    trove = make()
    (trove.dir / "c.tsv").write_text("A\tB\t1\nB\tC\t1\nA\tX\t1\n")
    trove.config.write_text(trove.config.read_text() + HUNT.format(dir=trove.dir))
    trove.start()
    trove.ids = play(trove)
    return trove


def replay(trove, *args, status=0):
    return trove.ctl("replay", "--data-dir", trove.dir / "data", *args, status=status)


def report(trove, *args, **kwargs):
    return json.loads(replay(trove, "--json", *args, **kwargs).stdout)


def other(trove, old, new):
    path = trove.dir / "other.yaml"
    text = trove.config.read_text()
    assert old in text
    path.write_text(text.replace(old, new))
    return path


def test_a_journal_reproduces_itself_beside_the_daemon_and_after(played):
    running = report(played, "--verify")
    assert running["different"] == 0 and running["differences"] == []
    assert played.term() == 0
    after = report(played, "--verify")
    assert after["different"] == 0 and after["same"] == after["events"] == 9
    assert after["duplicates"] == 1
    assert after["state_hash"] == report(played)["state_hash"]


def test_what_was_changed_behind_our_back_is_told(played):
    sock = udp()
    sock.send(encode(user="u-9", item="A"))
    played.settled(11)
    assert played.term() == 0
    path = segments(played)[-1]
    data, at = bytearray(path.read_bytes()), blocks(path)[-1]
    size = struct.unpack_from("<I", data, at + 44)[0]
    place = data.rindex(b"spring", at, at + 64 + size)
    data[place:place + 6] = b"sprung"
    struct.pack_into("<I", data, at + 4, crc32c(data[at + 8:at + 64 + size]))
    path.write_bytes(data)
    run = replay(played, "--verify", status=1)
    assert "differs from what was recorded" in run.stderr
    found = report(played, "--verify", status=1)
    assert found["different"] == 1 and found["differences"][0]["user"] == "u-9"


def test_another_configuration_says_what_it_would_change(played):
    assert played.term() == 0
    slow = other(played, "min_step: 300ms", "min_step: 10s")
    found = report(played, "--config", slow)
    assert found["no_longer_won"] == 1 and found["now_won"] == 0
    lost = [one for one in found["differences"] if one["change"] == "no_longer_won"]
    assert lost[0]["id"] == played.ids["award"] and lost[0]["user"] == "u-1"
    assert lost[0]["recorded"]["outcome"] == "award" and lost[0]["recomputed"]["outcome"] == "visit"
    assert "- " in replay(played, "--config", slow).stdout
    fast = other(played, "min_step: 300ms", "min_step: 0ms")
    found = report(played, "--config", fast)
    assert found["now_won"] == found["no_longer_won"] == 0
    assert any(one["id"] == played.ids["too_fast"] and one["recomputed"]["outcome"] == "visit"
               for one in found["differences"])
    assert report(played, "--config", played.config)["different"] == 0


def test_a_stretch_a_user_a_hunt(played):
    assert played.term() == 0
    slow = other(played, "min_step: 300ms", "min_step: 10s")
    assert report(played, "--config", slow, "--to", "2020-01-01T00:00:00Z")["different"] == 0
    assert report(played, "--config", slow, "--from", "2099-01-01T00:00:00Z")["in_range"] == 0
    assert report(played, "--config", slow, "--user", "somebody-else")["different"] == 0
    assert report(played, "--config", slow, "--user", "u-1")["no_longer_won"] == 1
    assert report(played, "--config", slow, "--hunt", "autumn")["different"] == 0
    assert report(played, "--config", slow, "--limit", "0")["differences"] == []


def test_explain_says_what_another_configuration_would_have_made_of_a_user(played):
    assert played.term() == 0
    slow = other(played, "min_step: 300ms", "min_step: 10s")
    asked = ["explain", "u-1", "--config", str(slow), "--json", "--data-dir", str(played.dir / "data")]
    found, same = (json.loads(played.ctl(*asked[:1], user, *asked[2:]).stdout) for user in ("u-1", "somebody-else"))
    assert found["no_longer_won"] == 1 and {one["user"] for one in found["differences"]} == {"u-1"}
    assert same["different"] == 0
    assert json.loads(played.ctl(*asked, "--hunt", "autumn").stdout)["different"] == 0
    assert "say which data_dir" in played.ctl("explain", "u-1", "--config", str(slow), status=2).stderr


def test_a_rejected_type_that_another_configuration_knows(played):
    assert played.term() == 0
    known = other(played, "    view: {", "    unheard-of: {}\n    view: {")
    found = report(played, "--config", known)
    assert any(one["recorded"] == "type_unknown" and one["recomputed"] == "accepted" for one in found["differences"])


def test_what_cannot_be_done_is_said(played):
    assert played.term() == 0
    assert "say which data_dir" in played.ctl("replay", status=2).stderr
    assert "--from is a time" in replay(played, "--from", "yesterday", status=2).stderr
    assert "--limit is 0 to" in replay(played, "--limit", "many", status=2).stderr
    broken = other(played, "min_step: 300ms", "min_step: soon")
    assert "min_step" in replay(played, "--config", broken, status=1).stderr
    absent = other(played, "c.tsv", "d.tsv")
    assert "d.tsv" in replay(played, "--config", absent, status=1).stderr
    assert "--verify compares" in replay(played, "--config", played.config, "--verify", status=2).stderr


def test_a_record_longer_than_any_event_is_damage(played):
    """Whole to its checksum, as a disk would not make it but a person can."""
    sock = udp()
    sock.send(encode(user="u-9", item="A"))
    played.settled(11)
    assert played.term() == 0
    path = segments(played)[-1]
    data, at = bytearray(path.read_bytes()), blocks(path)[-1]
    body = b'{"' + b"x" * 200_000
    record = bytearray(data[at + 64:at + 96]) + body + bytes(-len(body) % 8)
    struct.pack_into("<I", record, 0, len(body))
    struct.pack_into("<I", data, at + 40, 1)
    struct.pack_into("<I", data, at + 44, len(record))
    block = data[at:at + 64] + record
    struct.pack_into("<I", block, 4, crc32c(block[8:]))
    path.write_bytes(data[:at] + block + bytes(-len(block) % 4096))
    run = replay(played, "--verify", status=1)
    assert "200002 bytes" in run.stderr and "restore" in run.stderr
    played.start(expect_ready=False)
    assert played.process.poll() == 1
    played.process = None
    assert "200002 bytes" in played.log.read_text()
