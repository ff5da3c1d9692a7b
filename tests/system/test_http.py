"""Events over HTTP, through troved's own TCP: what is answered, what is in the journal, and what an answer promises."""
import json
import shutil
import socket
import struct
import subprocess
import threading
import time

import pytest

from conftest import CONFIG, encode, event, udp
from posts import HTTP, PORT, URL, Stream, answer, ask, at_rest, awaited, bodies, connect, exchange, get, journal, post, request
from test_disk import failed, needs_strace, strace_troved, wait_for
from test_packets import Wire, checksum, ipv4

TILES = HTTP + """
hunts:
  - { name: tiles, kind: tiles, types: [claim], tiles: 100, period: 1h, live: 1, seed: s }
"""


@pytest.fixture
def server(make):
    return make(HTTP).start()


def curl(*args, **options):
    return subprocess.run(["curl", "-sS", "--max-time", "40", "-w", "\n%{http_code}", *args, f"{URL}/v1/events"], capture_output=True, text=True, timeout=60, check=True, **options)


def curled(*args, **options):
    body, _, status = curl(*args, **options).stdout.rpartition("\n")
    return int(status), json.loads(body)


def test_an_event_is_accepted_once_and_kept_as_it_came(server):
    sent = encode()
    first = post(sent)
    assert first.status == 202
    assert first.json == {"id": json.loads(sent)["id"], "result": "accepted", "seq": first.json["seq"]}
    again = post(sent)
    assert again.status == 200
    assert again.json == {**first.json, "result": "duplicate"}
    assert journal(server) == [(first.json["seq"], sent)]
    account = server.settled(2)["account"]
    assert (account["accepted"], account["duplicate"], account["lost"]) == (1, 1, 0)


def test_curl_by_every_way_of_sending(server, tmp_path):
    sent = bodies(5)
    lines = b"\n".join(bodies(5000, note="x" * 68))
    (tmp_path / "large").write_bytes(lines)
    assert 900_000 < len(lines) < 1 << 20
    for body, args in zip(sent, (["-d"], ["--http1.0", "-d"], ["-H", "Transfer-Encoding: chunked", "-d"],
                                 ["-H", "Expect: 100-continue", "-d"], ["-H", "Trove-Ack: accepted", "-d"])):
        status, said = curled(*args, body.decode())
        assert (status, said["result"]) == (202, "accepted"), args
    ndjson = ["-H", "Content-Type: application/x-ndjson", "--data-binary", f"@{tmp_path}/large"]
    status, said = curled(*ndjson)
    assert (status, said["accepted"], said["duplicate"], said["rejected"]) == (200, 5000, 0, 0)
    status, said = curled("-H", "Transfer-Encoding: chunked", "-H", "Expect: 100-continue", *ndjson)
    assert (status, said["accepted"], said["duplicate"], said["rejected"]) == (200, 0, 5000, 0)
    kept = [bytes_ for _, bytes_ in journal(server)]
    assert sorted(kept) == sorted(sent + lines.split(b"\n"))


def test_a_bad_event_is_told_where_and_kept_as_a_dead_letter(server):
    broken, wrong = b'{"id":', encode(item=None)
    said = post(broken)
    assert said.status == 400 and said.headers["content-type"] == "application/problem+json"
    assert (said.json["code"], said.json["offset"]) == ("syntax", 6)
    said = post(wrong)
    assert said.status == 422 and said.json["code"] == "item_required"
    assert sorted(bytes_ for _, bytes_ in journal(server)) == sorted([broken, wrong])
    assert server.settled(2)["account"]["rejected"] == 2


def test_a_batch_lists_what_was_bad_by_its_index(server):
    good, bad = bodies(3), encode(item=None)
    for kind, body in ("application/json", b"[" + b" , ".join([*good, bad, good[0]]) + b"]"), \
                      ("application/x-ndjson", b"\n".join([*good, bad, good[0]]) + b"\n"):
        said = post(body, kind=kind)
        fresh = kind == "application/json"
        assert said.status == 200
        assert (said.json["accepted"], said.json["duplicate"], said.json["rejected"]) == ((3, 1, 1) if fresh else (0, 4, 1))
        assert [(one["index"], one["code"]) for one in said.json["errors"]] == [(3, "item_required")]
    assert len(journal(server)) == 3 + 2
    said = post(b"[" + good[0] + b",,]")
    assert said.status == 400 and said.json["offset"] == len(good[0]) + 2


def test_pipelined_requests_are_answered_in_order(server):
    sent = bodies(200)
    wire = b"".join(request(body) for body in sent)
    answers, closed = exchange(wire, len(sent))
    assert [one.json["id"] for one in answers] == [json.loads(body)["id"] for body in sent]
    assert {one.status for one in answers} == {202} and not closed
    assert sorted(bytes_ for _, bytes_ in journal(server)) == sorted(sent)


def test_requests_cut_anywhere_are_the_same_requests(server):
    sent = bodies(3)
    wire = request(sent[0]) + request(sent[1], "Connection: close")
    with connect() as sock:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for at in range(len(wire)):
            sock.send(wire[at:at + 1])
        stream = Stream(sock)
        assert [answer(stream).status for _ in range(2)] == [202, 202]
        assert stream.read() == b""
    with connect("2001:db8::1") as sock:
        sock.sendall(request(sent[2]))
        assert answer(Stream(sock)).status == 202
    assert sorted(bytes_ for _, bytes_ in journal(server)) == sorted(sent)


def test_what_can_be_read_two_ways_closes_the_connection_and_nothing_behind_it_is_read(server):
    body = encode()
    head = b"POST /v1/events HTTP/1.1\r\nHost: trove\r\nContent-Type: application/json\r\n"
    length = b"Content-Length: %d\r\n" % len(body)
    smuggled = request(encode(user="smuggled"))
    cases = [head + length + b"Transfer-Encoding: chunked\r\n\r\n" + body, head + length + length + b"\r\n" + body,
             head + b"Content-Length: +5\r\n\r\n", head + b"Transfer-Encoding : chunked\r\n\r\n", head + b"X: a\r\n b\r\n\r\n",
             head.replace(b"\r\n", b"\n") + length + b"\r\n" + body, head + b"X: a\0b\r\n\r\n",
             head + b"Transfer-Encoding: chunked\r\n\r\n0x3\r\nabc\r\n0\r\n\r\n"]
    for case in cases:
        answers, closed = exchange(case + smuggled)
        assert answers[0].status == 400 and closed, case
    assert journal(server) == []


@pytest.mark.parametrize("wire, status", [
    (request(None, path="/nothing", method="GET"), 404), (request(None, method="GET"), 405),
    (b"POST /v1/events HTTP/1.1\r\nHost: t\r\nContent-Type: application/json\r\n\r\n", 411),
    (request(b"{}", kind="text/plain"), 415), (request(None, path="/" + "x" * 5000, method="GET"), 414),
    (request(b"{}", "X: " + "y" * 17000), 431), (request(b"{}", *["X: 1"] * 200), 431),
    (b"POST /v1/events HTTP/1.1\r\nHost: t\r\nContent-Type: application/json\r\nContent-Length: 99999999\r\n\r\n", 413),
    (b"POST /v1/events HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", 501),
    (b"POST /v1/events HTTP/2.0\r\nHost: t\r\n\r\n", 505)])
def test_every_refusal_has_its_status_and_says_why(make, wire, status):
    trove = make(HTTP).start()
    said = ask(wire)
    assert said.status == status
    assert said.headers["content-type"] == "application/problem+json"
    assert said.json["status"] == status and said.json["title"] and said.json["detail"]
    if status == 405:
        assert sorted(said.headers["allow"].split(", ")) == ["OPTIONS", "POST"]
    assert trove.status()["http"]["answers"][str(status)] == 1


def test_a_claim_is_answered_with_its_outcome_and_a_repeat_with_the_same(make):
    trove = make(TILES).start()
    run = trove.ctl("hunt", "map", trove.config, "--hunt", "tiles", "--limit", "1", "--json")
    tile = json.loads(run.stdout)["tiles"][0]
    claims = [json.dumps(event(user=f"u-{i}", type="claim", item=None, tile=tile)).encode() for i in range(3)]
    outcomes = [post(claim).json["outcome"] for claim in claims]
    assert outcomes == ["granted", "taken", "taken"]
    again = [post(claim).json for claim in claims]
    assert [one["outcome"] for one in again] == outcomes
    assert {one["result"] for one in again} == {"duplicate"}
    trove.kill()
    trove.start()
    assert [post(claim).json["outcome"] for claim in claims] == outcomes


def test_a_batch_tells_what_became_of_each_claim(make):
    trove = make(TILES).start()
    run = trove.ctl("hunt", "map", trove.config, "--hunt", "tiles", "--limit", "2", "--json")
    first, second = json.loads(run.stdout)["tiles"][:2]
    events = [event(user="u-1", type="claim", item=None, tile=first), event(), event(user="u-2", type="claim", item=None, tile=first),
              event(user="u-3", type="claim", item=None, tile=second)]
    lines = b"".join(json.dumps(one).encode() + b"\n" for one in events)
    said = post(lines, kind="application/x-ndjson")
    assert (said.status, said.json["accepted"]) == (200, 4)
    assert (said.json["claims"], said.json["claims_omitted"]) == ({"granted": [0, 3], "taken": [2]}, 0)
    again = post(lines, kind="application/x-ndjson").json
    assert (again["duplicate"], again["claims"]) == (4, said.json["claims"])
    assert "claims" not in post(encode() + b"\n", kind="application/x-ndjson").json


def test_cloudevents_are_events_whose_attributes_are_kept(server):
    clouds = [json.dumps({"specversion": "1.0", "source": "/shop", "datacontenttype": "application/json",
                          **event(user=f"u-{i}", time=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()))}).encode() for i in range(3)]
    one = post(clouds[0], kind="application/cloudevents+json")
    assert (one.status, one.json["result"]) == (202, "accepted")
    batch = post(b"[" + b",".join(clouds) + b"]", kind="application/cloudevents-batch+json; charset=utf-8")
    assert (batch.status, batch.json["accepted"], batch.json["duplicate"]) == (200, 2, 1)
    assert sorted(text for _, text in journal(server)) == sorted(clouds)


def test_what_was_answered_is_there_after_kill_9(server):
    answered, socks = [], []

    def client(number):
        try:
            with connect() as sock:
                socks.append(sock)
                stream = Stream(sock)
                for body in bodies(2000, user=f"u-{number}"):
                    sock.sendall(request(body))
                    assert answer(stream).status == 202
                    answered.append(body)
        except (OSError, ValueError, AssertionError):
            pass

    threads = [threading.Thread(target=client, args=(i,)) for i in range(8)]
    for thread in threads:
        thread.start()
    awaited(lambda: len(answered) > 500)
    server.kill()
    for sock in socks:  # nobody is there any more to tell them
        try:
            sock.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
    for thread in threads:
        thread.join(30)
    server.start()
    kept = [bytes_ for _, bytes_ in journal(server)]
    assert len(kept) == len(set(kept))
    assert set(answered) <= set(kept)
    assert post(answered[-1]).json["result"] == "duplicate"


@needs_strace
def test_when_the_journal_fails_clients_are_told_and_what_was_answered_is_kept(make):
    trove = make(HTTP + "drain: 1s\n", CONFIG.replace("journal: {{ ", "journal: {{ io: sync, "))
    strace_troved(trove, "fdatasync:error=EIO:when=12+")
    answers = []
    for body in bodies(40):
        try:
            said = post(body)
        except (OSError, ValueError):
            break
        answers.append((body, said))
        if said.status == 503:
            break
    assert answers[-1][1].status == 503 and int(answers[-1][1].headers["retry-after"]) >= 1
    wait_for(trove, failed)
    said = post(encode())
    assert said.status == 503 and said.json["code"] == "not_ready"
    health = get("/healthz")
    assert health.status == 503 and "journal" in health.body.decode()
    trove.kill()
    kept = [bytes_ for _, bytes_ in journal(trove)]
    for body, said in answers:
        assert said.status == 503 or kept.count(body) == 1


def test_healthz_says_whether_to_send_traffic(server):
    said = get("/healthz")
    assert said.status == 200 and said.json["status"] == "ready"
    assert get("/healthz", method="HEAD").body == b""


def test_a_stop_answers_what_is_open_refuses_what_is_new_and_closes(server):
    stop = threading.Event()

    def keep_busy():  # datagrams keep the stop waiting
        sock = udp()
        while not stop.wait(0.05):
            sock.send(encode())

    busy = threading.Thread(target=keep_busy)
    busy.start()
    waiting, idle, body = connect(), connect(), encode(user="late")
    wire = request(body)
    waiting.sendall(wire[:60])
    time.sleep(0.1)
    server.process.terminate()
    awaited(lambda: server.status()["state"] == "draining")
    assert Stream(idle).read() == b""
    waiting.sendall(wire[60:])
    stream = Stream(waiting)
    said = answer(stream)
    assert said.status == 503 and said.headers["connection"] == "close" and stream.read() == b""
    assert get("/healthz").status == 503
    stop.set()
    busy.join()
    assert server.wait() == 0
    assert server.account_line().endswith("balanced")
    assert body not in [bytes_ for _, bytes_ in journal(server)]


def test_udp_and_http_come_to_one_account(server):
    sock, sent = udp(), bodies(300)
    for body in sent[:100]:
        sock.send(body)
    for body in sent[100:]:
        assert post(body, "Connection: close").status == 202
    now = server.settled(300)
    assert now["account"]["accepted"] == 300 and now["account"]["balanced"]
    assert now["http"]["answers"]["202"] == 200 and now["http"]["events"] == 200
    assert now["packets"]["delivered"] == 100
    at_rest(server)
    assert server.term() == 0
    assert server.account_line().endswith("lost 0   balanced")


def test_what_is_refused_is_counted_and_the_account_balances(make):
    trove = make(HTTP.replace("port: 8080", "port: 8080, event_rate: 10") + "limits: { users: 10000, claims: 1000 }\n",
                 CONFIG.replace("limits: {{ users: 10000 }}\n", "").replace("capacity: 500_000", "capacity: 1000")).start()
    statuses = []
    with connect() as sock:
        stream = Stream(sock)
        for body in bodies(40, user="fast"):
            sock.sendall(request(body))
            statuses.append(answer(stream).status)
    assert statuses.count(202) + statuses.count(429) == 40 and statuses.count(429) > 10
    trove.config.write_text(trove.config.read_text().replace("event_rate: 10", "event_rate: 0"))
    trove.ctl("conf", "apply", trove.config)
    said = post(b"\n".join(bodies(200, user="crowd")), kind="application/x-ndjson")
    refused = said.json["refused"]
    assert said.status == 200 and said.json["accepted"] + refused == 200 and refused > 50
    assert {one["code"] for one in said.json["errors"]} == {"state_full"}
    assert post(encode(user="crowd")).json["code"] == "state_full"
    account = trove.settled(0)["account"]
    assert account["refused"] == statuses.count(429) + refused + 1
    assert account["accepted"] == statuses.count(202) + said.json["accepted"]
    assert account["received"] == account["accepted"] + account["refused"] and account["lost"] == 0
    assert trove.term() == 0
    assert trove.account_line().endswith("balanced")


def test_what_comes_tagged_is_answered_with_the_tag(server):
    wire = Wire()
    listener = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
    listener.bind(("trove0", 0))
    listener.setsockopt(263, 8, 1)  # SOL_PACKET, PACKET_AUXDATA: where the kernel puts the tag
    listener.settimeout(10)
    syn = struct.pack("!HHIIBBHHH", 40000, PORT, 1000, 0, 0x50, 2, 65535, 0, 0)
    pseudo = socket.inet_aton("192.0.2.2") + socket.inet_aton("192.0.2.1") + struct.pack("!HH", 6, len(syn))
    wire.send(ipv4(syn[:16] + struct.pack("!H", checksum(pseudo + syn)) + syn[18:], protocol=6), tags=b"\x81\x00\x00\x05")
    while True:
        frame, control, _, _ = listener.recvmsg(2048, 256)
        if frame[6:12] == wire.theirs and frame[12:14] == b"\x08\x00" and frame[23] == 6:
            break
    status, _, _, _, _, tag, _ = struct.unpack("=IIIHHHH", control[0][2])
    assert status & 16 and tag == 5, "TP_STATUS_VLAN_VALID"
    assert frame[14 + 20 + 13] == 0x12 and frame[42:46] == struct.pack("!I", 1001), "a SYN-ACK of our SYN"


def test_settings_change_while_connections_are_open(server):
    with connect() as sock:
        stream, batch = Stream(sock), b"[" + b",".join(bodies(3)) + b"]"
        sock.sendall(request(batch))
        assert answer(stream).status == 200
        text = server.config.read_text().replace("port: 8080", "port: 8080, max_batch: 2, ack_min: durable")
        server.config.write_text(text)
        server.ctl("conf", "apply", server.config)
        sock.sendall(request(batch))
        said = answer(stream)
        assert said.status == 413 and said.json["code"] == "batch_events"
        sock.sendall(request(encode(), "Trove-Ack: accepted"))
        assert answer(stream).status == 202


def test_other_ports_refuse_and_without_http_tcp_is_no_protocol(make):
    trove = make(HTTP).start()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("192.0.2.1", PORT + 1), timeout=5)
    assert trove.status()["tcp"]["dropped"]["closed_port"] >= 1
    assert trove.term() == 0
    trove.config.write_text(trove.config.read_text().replace(HTTP, ""))
    trove.start()
    with pytest.raises(TimeoutError):
        socket.create_connection(("192.0.2.1", PORT), timeout=0.5)
    now = trove.status()
    assert now["packets"]["dropped"]["protocol"] >= 1 and now["http"]["port"] == 0


@pytest.mark.skipif(not shutil.which("curl"), reason="curl is not installed")
def test_the_status_page_shows_http(server):
    for body in bodies(3):
        post(body)
    get("/nothing")
    page = server.ctl("status").stdout
    line = next(line for line in page.splitlines() if line.startswith("http "))
    assert "port 8080" in line and "2xx 3" in line and "4xx 1" in line
