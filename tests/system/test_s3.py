"""The archive in S3, against a server of our own that checks every signature: all events once, whatever fails."""
import datetime
import hashlib
import json
import random
import time

import pytest

import sigv4
from conftest import udp
from fake_s3 import Fault, FakeS3
from s3_kit import bodies, bucket, check_manifests, journal, line, parts_of, records, settled, sink
from test_redis import send, until
from test_sinks import apply


@pytest.fixture
def server():
    server = FakeS3()
    yield server
    server.close()
    assert not server.refused and not server.broken


def same_as_journal(trove, server):
    settled(trove)
    assert bodies(bucket(server)) == journal(trove)


HIGH = bytes(n | 0x80 for n in range(256))  # no byte of ASCII, nor of UTF-8 for long
KEY = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
EMPTY = hashlib.sha256(b"").hexdigest()


@pytest.mark.parametrize("method, path, query, headers, body, signature", [
    ("GET", "/test.txt", "", {"range": "bytes=0-9"}, b"", "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41"),
    ("PUT", "/test%24file.text", "", {"date": "Fri, 24 May 2013 00:00:00 GMT", "x-amz-storage-class": "REDUCED_REDUNDANCY"}, b"Welcome to Amazon S3.",
     "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd"),
    ("GET", "/", "lifecycle", {}, b"", "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543"),
    ("GET", "/", "max-keys=2&prefix=J", {}, b"", "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7"),
])
def test_the_verifier_agrees_with_the_examples_that_aws_publishes(method, path, query, headers, body, signature):
    """Of "Authenticating Requests: Using the Authorization Header", the page's four examples."""
    digest = hashlib.sha256(body).hexdigest()
    headers = {"host": "examplebucket.s3.amazonaws.com", "x-amz-date": "20130524T000000Z", "x-amz-content-sha256": digest, **headers}
    canonical = sigv4.canonical_request(method, path, query, headers, sorted(headers), digest)
    assert sigv4.sign(KEY, "20130524T000000Z", "us-east-1", "s3", canonical) == signature
    headers["authorization"] = (f"AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request,"
                                f"SignedHeaders={';'.join(sorted(headers))},Signature={signature}")
    when = datetime.datetime(2013, 5, 24, tzinfo=datetime.timezone.utc)
    check = lambda **but: sigv4.verify(method, path, query, {**headers, **but}, body, {"AKIAIOSFODNN7EXAMPLE": KEY}, "us-east-1", when)
    check()
    for but in ({"host": "other"}, {"x-amz-content-sha256": EMPTY[::-1]}, {"x-amz-new": "1"},
                {"authorization": headers["authorization"].replace(signature, signature[::-1])}):
        with pytest.raises(sigv4.Refused):
            check(**but)


def test_every_event_is_archived_byte_for_byte(trove, server):
    sock = udp()
    for data in (b'{ "not": json', b"\xff\xfe\x00\x01", b'{\r "id": "7f3c1e2a-9b4d-4c8e-a1f2-0d9e8c7b6a5f",\t"user": "u"}'):
        sock.send(data)
    send(500)
    trove.settled(503)
    apply(trove, line(trove, server, ", prefix: some/where"))
    same_as_journal(trove, server)
    found = records(bucket(server))
    kinds = {r["kind"] for all_of in found.values() for _, _, r in all_of}
    assert kinds == {"event", "rejected", "outcome", "config"}
    for all_of in found.values():
        for name, _, record in all_of:
            assert parts_of(name)["prefix"] == "some/where"
            assert record["kind"] == "config" or record["received"][:13].replace("-", "/").replace("T", "/") == parts_of(name)["hour"]
    assert trove.term() == 0


def test_an_hour_has_its_manifest_once_it_is_over(trove, server):
    """An epoch that is over is over for its hours as well."""
    apply(trove, line(trove, server, ", rotate_size: 64KiB"))
    send(1000)
    trove.settled(1000)
    same_as_journal(trove, server)
    first = sorted(name for name in server.objects if name.endswith(".zst"))
    assert len(first) > 3 and not check_manifests(server)
    assert trove.term() == 0
    trove.start()
    until(lambda: sorted(check_manifests(server)) == first, "the manifests of the epoch")
    send(100)
    same_as_journal(trove, server)
    assert sink(trove)["repeats"] == 0


def every_third(*faults):
    """Each fault in its turn, at every third request of the kind."""
    left, seen = list(faults), [0]

    def fault(operation, _):
        seen[0] += operation == "put"
        return left.pop(0) if operation == "put" and left and seen[0] % 3 == 0 else None
    fault.left = left
    return fault


def test_whatever_the_server_answers_each_object_is_made_once(trove, server):
    server.fault = every_third(
        Fault("body"), Fault("after", cut=0), Fault("after", cut=0, reset=True), Fault("before", 500), Fault("before", 503, "SlowDown"),
        Fault("after", 500), Fault("before", 403, "AccessDenied"), Fault("before", 404, "NoSuchBucket"), Fault("before", 409, "ConditionalRequestConflict"),
        Fault("before", 301, headers={"Location": "http://127.0.0.1:1/"}), Fault("after", raw=b"\0" * 999), Fault("after", raw=b"HTTP/1.1 200 OK\r\n"),
        Fault("after", raw=b"HTTP/1.1 999 ?\r\n\r\n"), Fault("after", wait=2.5), Fault("before", cut=0),
        *(Fault("before", raw=b"HTTP/1.1 200 OK\r\n" + rest) for rest in (b"", b"Content-Length: 0\r\n", b"Content-Length: 9\r\n\r\n")))
    apply(trove, line(trove, server, ", rotate_size: 64KiB, timeout: 1s"))
    for first in range(0, 12000, 1000):
        send(1000, first)
        time.sleep(0.2)
    trove.settled(12000)
    until(lambda: not server.fault.left, "every fault", 120)
    same_as_journal(trove, server)
    assert sink(trove)["repeats"] >= 4 and sink(trove)["errors"] >= 12
    assert trove.term() == 0


def test_an_answer_cut_at_each_of_its_bytes_is_no_harm(trove, server):
    sent = []

    def fault(operation, key):
        if operation != "put" or not key.endswith(".zst") or key in sent:
            return None
        sent.append(key)
        return Fault(("after", "never")[len(sent) % 2], cut=len(sent) // 2, reset=len(sent) % 3 == 0)
    server.fault = fault
    apply(trove, line(trove, server, ", rotate_size: 64KiB"))
    for first in range(0, 40000, 1000):
        send(1000, first)
        time.sleep(0.05)
    trove.settled(40000)
    settled(trove, 120)
    assert len(sent) > 270 and sink(trove)["repeats"] >= 100  # libcurl itself sends again what got no byte
    server.fault = lambda *_: None
    same_as_journal(trove, server)


def test_a_server_that_is_busy_is_left_alone_as_long_as_it_asks(trove, server):
    times = []

    def fault(operation, _):
        times.append(time.monotonic())
        return Fault("before", (429, 503)[len(times) % 2], "SlowDown", {"Retry-After": "2"}) if len(times) <= 2 else None
    server.fault = fault
    apply(trove, line(trove, server))
    until(lambda: "SlowDown" in sink(trove).get("error", ""), "it says so")
    send(10)
    trove.settled(10)
    same_as_journal(trove, server)
    assert times[1] - times[0] >= 1.9 and times[2] - times[1] >= 1.9


def said(trove, what):
    until(lambda: what in sink(trove).get("error", ""), what)


def test_what_is_refused_is_told(trove, server):
    text = line(trove, server)
    key = trove.dir / "s3.key"
    good = key.read_text()
    key.unlink()
    apply(trove, text)
    said(trove, "s3.key: No such file")
    key.write_text("only one line\n")
    said(trove, "first two lines")
    key.write_text(good.replace("se/cret", "other"))
    said(trove, "status 403 SignatureDoesNotMatch")
    server.clock = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(hours=1)
    key.write_text(good)
    said(trove, "s behind the server's")
    server.clock = None
    server.conditional = False
    said(trove, "If-None-Match")
    server.conditional = True
    server.refused.clear()
    send(10)
    trove.settled(10)
    same_as_journal(trove, server)


def test_another_writer_of_the_same_name_is_a_fault_that_is_told(trove, server):
    """As two hosts with copies of one data directory would be."""
    apply(trove, line(trove, server, ", paused: true"))
    send(100)
    trove.settled(100)
    theirs = {}

    def fault(operation, key):
        if operation == "put" and key.endswith(".zst") and key not in server.objects:
            theirs[key] = server.put(key, {}, {"if-none-match": "*", "x-amz-meta-trove-last": "7", "x-amz-meta-trove-sha256": "0" * 64}, b"theirs")
    server.fault = fault
    apply(trove, line(trove, server))
    until(lambda: "with another content" in sink(trove).get("error", ""), "it is told")
    time.sleep(1)
    assert len(theirs) == 1 and all(server.objects[key].body == b"theirs" for key in theirs)
    assert sink(trove)["lag_records"]
    server.fault = lambda *_: None
    for key in theirs:
        del server.objects[key]
    same_as_journal(trove, server)


def test_objects_cut_under_other_settings_are_found_again(trove, server):
    """The cursor is lost, and what is made again would be cut elsewhere: what is there decides."""
    apply(trove, line(trove, server, ", rotate_size: 64KiB"))
    send(1000)
    trove.settled(1000)
    same_as_journal(trove, server)
    before = bucket(server)
    for keys in (", rotate_size: 1MiB, rotate_after: 4s", ", rotate_size: 100KiB, rotate_after: 1s"):
        assert trove.term() == 0
        for name in ("s.cursor", "s.files"):
            (trove.dir / "data/sinks" / name).unlink()
        trove.config.write_text(trove.plain + line(trove, server, keys))
        trove.start()
        settled(trove)
        assert sink(trove)["repeats"] >= 3
    after = bucket(server)
    assert {name: after[name] for name in before} == before
    assert bodies(after) == journal(trove)


def test_a_large_object_goes_in_parts(trove, server):
    """Bytes that cannot be compressed, so that the parts are really sent."""
    dice, sock = random.Random(5), udp()
    stages = iter(["create", "part", "complete", "create", "part", "complete", "head", "uploads_list"])
    faults = {"create": Fault("after", cut=0), "part": Fault("after", cut=9), "complete": Fault("after", cut=0), "head": Fault("before", 503),
              "uploads_list": Fault("after", raw=b"")}
    want = [next(stages)]

    def fault(operation, _):
        if operation != want[0]:
            return None
        want[0] = next(stages, None)
        return faults[operation]
    server.fault = fault
    apply(trove, line(trove, server, ", rotate_size: 24MiB, rotate_after: 1h, part_size: 5MiB"))
    for first in range(0, 32000, 50):
        for _ in range(50):
            sock.send(b'{"bad":"' + dice.randbytes(1200).translate(HIGH))
        time.sleep(0.01)
    trove.settled(32000, 60)
    until(lambda: want[0] is None and any(len(stored.body) > 10 << 20 for stored in server.objects.values()), "large objects", 150)
    assert trove.term() == 0
    trove.start()
    apply(trove, line(trove, server, ", rotate_size: 24MiB, part_size: 5MiB"))  # what began with the start does not wait for an hour
    same_as_journal(trove, server)
    until(lambda: check_manifests(server), "the manifests")
    assert any('-3"' in stored.tag or '-4"' in stored.tag for stored in server.objects.values())
    assert not server.uploads


def test_troved_killed_at_any_time_leaves_every_event_once(trove, server):
    """While the server loses answers and resets connections."""
    dice, kinds = random.Random(11), [Fault("body"), Fault("after", cut=0), Fault("before", 503), None, None, None, None, None]
    server.fault = lambda operation, key: dice.choice(kinds)
    apply(trove, line(trove, server, ", rotate_size: 64KiB, timeout: 500ms"))
    for turn in range(25):
        send(dice.randrange(100, 1500), 2000 * turn)
        time.sleep(dice.random())
        trove.kill()
        trove.start()
    send(10)
    trove.settled(10)
    server.fault = lambda *_: None
    same_as_journal(trove, server)
    assert trove.term() == 0
    trove.start()
    same_as_journal(trove, server)
    until(lambda: set(check_manifests(server)) >= {n for n in server.objects if n.endswith(".zst") and "-000027-" not in n}, "all manifests")
    assert len(check_manifests(server)) == len(set(check_manifests(server)))
    assert not [r for r in server.refused if "Signature" in r]
