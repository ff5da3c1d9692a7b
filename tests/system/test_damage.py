"""What a disk, a person or a crash can do to a data directory: said with the place, never skipped in silence."""
import os
import shutil
import struct

import pytest

from conftest import CONFIG, encode, udp

PAGE = 4096
SMALL = CONFIG.replace("journal: {{ buffer: 32MiB, segment_size: 16MiB }}", "journal: {{ buffer: 8MiB, segment_size: 1MiB }}")
assert SMALL != CONFIG


def segments(trove):
    return sorted((trove.dir / "data/journal").glob("*.seg"))


def blocks(path):
    """Offsets of the blocks of a segment."""
    data = path.read_bytes()
    found, at = [], PAGE
    while at + 64 <= len(data) and data[at:at + 4] == b"TBLK":
        found.append(at)
        at += (64 + struct.unpack_from("<I", data, at + 44)[0] + PAGE - 1) // PAGE * PAGE
    return found


def flip(path, offset):
    with open(path, "r+b") as file:
        file.seek(offset)
        byte = file.read(1)[0]
        file.seek(offset)
        file.write(bytes([byte ^ 4]))


def spread(trove, count=40):
    """Events one by one, so that each is a group of its own."""
    sock = udp()
    before = trove.status()["account"]["received"]
    for i in range(count):
        sock.send(encode(user=f"u-{i}"))
        trove.settled(before + i + 1)


def filled(make, epochs=2, **kwargs):
    trove = make(config=SMALL, **kwargs)
    for _ in range(epochs):
        trove.start()
        spread(trove)
        assert trove.term() == 0
    return trove


def refuses(trove, *words):
    kept = {path: path.read_bytes() for path in segments(trove)}
    trove.start(expect_ready=False)
    assert trove.process.poll() == 1, trove.log.read_text()
    trove.process = None
    lines = [line for line in trove.log.read_text().splitlines() if "error" in line]
    assert len(lines) == 1 and all(word in lines[0] for word in words), trove.log.read_text()
    assert {path: path.read_bytes() for path in segments(trove)} == kept, "evidence was changed"


def recovers(trove, events, *words):
    trove.start()
    log = trove.log.read_text()
    assert trove.status()["recovered"] == events, log
    assert "0 differences" in log and all(word in log for word in words), log
    sock = udp()
    sock.send(encode(user="after"))
    trove.settled(1)
    assert trove.term() == 0


@pytest.mark.parametrize("epoch", [0, 1])
def test_a_flipped_bit_in_the_middle_is_told_with_its_place(make, epoch):
    trove = filled(make)
    path = segments(trove)[epoch]
    at = blocks(path)[5]
    flip(path, at + 70)
    refuses(trove, path.name, f"offset {at}")


def test_a_page_of_zeros_in_the_middle_is_not_the_end(make):
    trove = filled(make)
    path = segments(trove)[-1]
    at = blocks(path)[5]
    with open(path, "r+b") as file:
        file.seek(at)
        file.write(bytes(PAGE))
    refuses(trove, path.name, f"offset {at}")


@pytest.mark.parametrize("epoch", [0, 1])
def test_a_damaged_header_does_not_cost_the_segment(make, epoch):
    trove = filled(make)
    path = segments(trove)[epoch]
    flip(path, 20)
    refuses(trove, path.name, "offset 0")


def test_a_tail_that_an_earlier_start_had_accepted_cannot_be_torn(make):
    trove = filled(make)
    path = segments(trove)[0]
    at = blocks(path)[-1]
    flip(path, at + 70)
    refuses(trove, path.name, f"offset {at}")


def test_what_a_crash_left_unfinished_is_cut_and_told(make):
    trove = make(config=SMALL).start()
    spread(trove)
    trove.kill()
    (trove.dir / "data/sinks/file.cursor").unlink()  # it had read what is unfinished below
    (trove.dir / "out.ndjson").unlink()
    path = segments(trove)[-1]
    at = blocks(path)[-1]
    flip(path, at + 70)
    recovers(trove, 39, f"segment {path.name}: cut at offset {at}", "1 journals cut")
    assert path.stat().st_size == at
    assert len({o["event_seq"] for o in trove.outcomes() if o["outcome"] == "visit"}) == 40


def test_a_journal_shorter_than_what_was_delivered_is_not_accepted(make):
    trove = filled(make, epochs=1)
    path = segments(trove)[-1]
    os.truncate(path, blocks(path)[-3])
    refuses(trove, "file.cursor")


@pytest.mark.parametrize("which", [0, 1])
def test_a_missing_segment_is_named(make, which):
    trove = filled(make, epochs=3)
    path = segments(trove)[which]
    path.unlink()
    refuses(trove, path.name, "missing")


def test_a_segment_that_lost_its_end_in_an_earlier_epoch_is_noticed(make):
    trove = filled(make, epochs=2)
    path = segments(trove)[0]
    os.truncate(path, blocks(path)[20])
    refuses(trove, segments(trove)[1].name, "records are missing", "has lost its end")


def test_an_empty_last_segment_is_what_a_crash_leaves(make):
    trove = filled(make, epochs=1)
    (trove.dir / "data/journal/000002-000-000001.seg").touch()
    recovers(trove, 40)


def test_foreign_files_are_told_and_left_alone(make):
    trove = filled(make, epochs=1)
    for name in ("README", "000001-000-000002.seg.bak", "1-0-1.seg"):
        (trove.dir / "data/journal" / name).write_text("mine")
    recovers(trove, 40, "3 files in journal/ are not segments")
    assert (trove.dir / "data/journal/README").read_text() == "mine"


def test_a_configuration_version_that_is_gone_is_named(make):
    trove = filled(make, epochs=1)
    trove.config.write_text(trove.config.read_text() + "\n# a second version\n")
    (trove.dir / "data/config/000001.yaml").unlink()
    refuses(trove, "configuration version 1")


@pytest.mark.parametrize("damage", ["foreign", "noise", "short", "both"])
def test_a_cursor_that_is_not_one_is_named(make, damage):
    trove = filled(make, epochs=1)
    path = trove.dir / "data/sinks/file.cursor"
    data = path.read_bytes()
    if damage == "foreign":
        path.write_text("hello " * 2000)
    elif damage == "noise":
        path.write_bytes(os.urandom(len(data)))
    elif damage == "short":
        path.write_bytes(data[:24])
    else:
        for offset in (40, PAGE + 40):
            flip(path, offset)
    refuses(trove, "file.cursor")


def test_a_torn_line_of_items_is_cut(make):
    more = "hunts: [{{ name: h, kind: trail, catalog: {dir}/c.tsv, start: [A], treasure: [C], min_step: 0ms }}]"
    trove = make(config=SMALL + more + "\n")
    (trove.dir / "c.tsv").write_text("A\tB\t10\nB\tC\t10\n")
    trove.start()
    sock = udp()
    for i, item in enumerate("ABC"):
        sock.send(encode(user="u-w", item=item))
        trove.settled(i + 1)
    assert trove.term() == 0
    with open(trove.dir / "data/items.txt", "a", encoding="utf-8") as items:
        items.write("torn-in-the-mid")
    recovers(trove, 3)
    won = [o for o in trove.outcomes() if o["outcome"] == "award"]
    assert [o["items"] for o in won] == [["A", "B", "C"]]


def test_a_journal_of_another_data_directory_is_not_taken_for_ours(make, tmp_path_factory):
    trove = filled(make, epochs=1)
    path = segments(trove)[0]
    stolen = tmp_path_factory.mktemp("other") / path.name
    shutil.move(path, stolen)
    (trove.dir / "data/key").unlink()
    shutil.rmtree(trove.dir / "data/sinks")
    trove.start()
    assert trove.term() == 0
    shutil.copy(stolen, path)
    refuses(trove, path.name, "another key")
