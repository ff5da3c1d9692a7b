"""trovectl replay --from-archive: the archive decides as the journal did, from the bucket and from downloaded objects."""
import json
import shutil

import pytest

from conftest import udp
from fake_s3 import BUCKET, REGION, FakeS3, Fault
from s3_kit import bucket, line, settled, sink
from test_explain import HUNT, play
from test_redis import send, until


@pytest.fixture
def server():
    server = FakeS3()
    yield server
    server.close()
    assert not server.broken


@pytest.fixture
def archived(make, server):
    """Two epochs of a hunt with winners, duplicates, dead letters and a correction, in journal and archive alike."""
    trove = make()
    (trove.dir / "c.tsv").write_text("A\tB\t1\nB\tC\t1\nA\tX\t1\n")
    trove.config.write_text(trove.config.read_text() + line(trove, server, ", prefix: fra1/one, rotate_size: 64KiB") + HUNT.format(dir=trove.dir))
    trove.start()
    play(trove)
    trove.ctl("patch", "grant", "--user", "u-77", "--hunt", "spring", "--reason", "a test", "--ref", "T-1")
    udp().send(b"\xff no event \x00")
    send(700)
    settled(trove)
    assert trove.term() == 0
    trove.start()
    send(300, 700)
    settled(trove)
    return trove


def download(server, directory, skip=lambda name: False):
    shutil.rmtree(directory, ignore_errors=True)
    for name, data in bucket(server).items():
        path = directory / name.removeprefix("fra1/one/")
        path.parent.mkdir(parents=True, exist_ok=True)
        if not skip(name):
            path.write_bytes(data)
    return directory


def replay(trove, *args, status=0):
    return trove.ctl("replay", "--verify", "--json", "--data-dir", trove.dir / "data", *args, status=status)


def report(trove, *args):
    said = json.loads(replay(trove, *args).stdout)
    return {key: value for key, value in said.items() if key != "seconds"}


def from_bucket(trove, server):
    return ("--from-archive", f"{server.url}/{BUCKET}/fra1/one", "--credentials", trove.dir / "s3.key", "--region", REGION)


def test_the_archive_decides_as_the_journal_did(archived, server):
    journal = report(archived)
    assert journal["corrections"] == 1 and journal["events"] > 1000 and journal["different"] == 0
    files = download(server, archived.dir / "copy")
    assert report(archived, "--from-archive", files) == journal
    server.page = 3
    assert report(archived, *from_bucket(archived, server)) == journal
    assert archived.term() == 0
    for path in (archived.dir / "data/journal").iterdir():
        path.unlink()
    assert report(archived, "--from-archive", files) == journal
    other = archived.dir / "other.yaml"
    other.write_text(archived.config.read_text().replace("min_step: 300ms", "min_step: 10s"))
    run = archived.ctl("replay", "--json", "--data-dir", archived.dir / "data", "--from-archive", files, "--config", other)
    assert json.loads(run.stdout)["no_longer_won"] == 1


def test_what_is_missing_or_changed_is_told(archived, server):
    objects = sorted((name for name in server.objects if name.endswith(".zst")), key=lambda n: n.rsplit("/", 1)[-1])
    first_epoch = [name for name in objects if "-000001-" in name]
    until(lambda: any(name.endswith("manifest.json") for name in server.objects), "a manifest")
    copy = archived.dir / "copy"

    def refused(what, **kwargs):
        run = replay(archived, "--from-archive", download(server, copy, **kwargs), status=1)
        assert what in run.stderr, run.stderr
    refused("records are missing", skip=lambda name: name == first_epoch[0])
    refused("records are missing", skip=lambda name: name == first_epoch[1])
    refused("and its manifests name", skip=lambda name: name == first_epoch[-1])
    refused("has nothing of journal", skip=lambda name: True)
    download(server, copy)
    path = copy / first_epoch[1].removeprefix("fra1/one/")
    good = path.read_bytes()
    for bad in (good[:-1], good[:100], good + b"x", b"", good[:50] + bytes([good[50] ^ 1]) + good[51:], good + good, b"\0" * 100):
        path.write_bytes(bad)
        assert "is not what was archived" in replay(archived, "--from-archive", copy, status=1).stderr
    path.write_bytes((copy / first_epoch[0].removeprefix("fra1/one/")).read_bytes())
    assert "is not what was archived" in replay(archived, "--from-archive", copy, status=1).stderr


def test_a_bucket_that_cannot_be_read_is_told(archived, server):
    def refused(what, *args):
        run = replay(archived, *(args or from_bucket(archived, server)), status=1)
        assert what in run.stderr, run.stderr
    refused("--credentials", "--from-archive", f"{server.url}/{BUCKET}")
    refused("HOST/BUCKET", "--from-archive", server.url, "--credentials", archived.dir / "s3.key")
    refused("has nothing of journal", "--from-archive", f"{server.url}/{BUCKET}/elsewhere", "--credentials", archived.dir / "s3.key", "--region", REGION)
    refused("AuthorizationHeaderMalformed", "--from-archive", f"{server.url}/{BUCKET}", "--credentials", archived.dir / "s3.key")
    assert sink(archived)["state"] == "ok"
    for operation, fault, what in (("list", Fault("before", 503, "SlowDown"), "SlowDown"), ("list", Fault("after", raw=b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n<L>"), "makes no sense"),
                                   ("get", Fault("after", cut=300), "http"), ("get", Fault("before", 404, "NoSuchKey"), "NoSuchKey"),
                                   ("get", Fault("after", raw=b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc"), "not the range")):
        server.fault = lambda asked, key, operation=operation, fault=fault: fault if asked == operation else None
        refused(what)
    server.fault = lambda *_: None
    server.refused.clear()
