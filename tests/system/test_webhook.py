"""The webhook sink against a server of our own: signed batches under keys that are the same whenever they are sent again."""
import hashlib
import hmac
import http.server
import json
import random
import threading
import time

import pytest

import cloudevents
from test_redis import send, until
from test_sinks import apply

SECRET = b"a-shared-secret"


class Receiver:
    """Takes a batch once by its key, as the draft of the Idempotency-Key header has it, and answers as it is told."""

    def __init__(self):
        self.batches = {}  # key: body
        self.repeats = 0
        self.faults = []  # what a body is told, in turn: (status, headers), "cut" or "late", before or after it is taken
        self.refuse = lambda outcomes: None
        self.times = []
        receiver = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                receiver.post(self)

            def log_message(self, *args):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/awards"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def post(self, request):
        body = request.rfile.read(int(request.headers["Content-Length"]))
        self.check(request, body)
        fault = self.faults.pop(0) if self.faults else None
        if isinstance(fault, tuple):
            return self.answer(request, *fault)
        outcomes = json.loads(body)
        refused = self.refuse(outcomes)
        if refused:
            return self.answer(request, refused)
        key = request.headers["Idempotency-Key"]
        if key in self.batches:
            assert self.batches[key] == body, "another body under the same key"
            self.repeats += 1
        self.batches[key] = body
        if fault == "cut":
            request.wfile.write(b"HTTP/1.1 20")
            request.close_connection = True
            return None
        if fault == "late":
            time.sleep(1.5)
        return self.answer(request, 200)

    def check(self, request, body):
        self.times.append(time.monotonic())
        said = dict(part.split("=", 1) for part in request.headers["Trove-Signature"].split(","))
        assert abs(int(said["t"]) - time.time()) < 60
        assert hmac.compare_digest(said["v1"], hmac.new(SECRET, said["t"].encode() + b"." + body, hashlib.sha256).hexdigest())

    @staticmethod
    def answer(request, status, headers=()):
        text = b'{"status":"as told"}'
        request.send_response(status)
        for name, value in dict(headers).items():
            request.send_header(name, value)
        request.send_header("Content-Length", str(len(text)))
        request.end_headers()
        request.wfile.write(text)

    def outcomes(self):
        return [o for body in self.batches.values() for o in json.loads(body)]


@pytest.fixture
def receiver():
    receiver = Receiver()
    yield receiver
    receiver.server.shutdown()
    receiver.server.server_close()


def hook(trove, receiver, keys=""):
    (trove.dir / "secret").write_bytes(SECRET + b"\n")
    return f"  - {{ name: w, type: webhook, url: '{receiver.url}', secret_file: {trove.dir}/secret, timeout: 1s{keys} }}\n"


def sink(trove):
    return json.loads(trove.ctl("sink", "w", "--json").stdout)["sinks"][0]


def all_there(trove, receiver, count):
    """Every outcome once, whatever was sent again."""
    until(lambda: len(receiver.outcomes()) >= count, f"{count} have come", 60)
    until(lambda: sink(trove)["state"] == "ok" and not sink(trove)["lag_records"], "the sink is well", 60)
    seqs = [o["seq"] for o in receiver.outcomes()]
    assert sorted(seqs) == sorted(o["seq"] for o in trove.outcomes())


def test_outcomes_come_in_signed_batches(trove, receiver):
    send(250)
    trove.settled(250)
    apply(trove, hook(trove, receiver, ", batch: 100"))
    all_there(trove, receiver, 250)
    assert max(len(json.loads(body)) for body in receiver.batches.values()) == 100
    assert len(receiver.batches) == 3 and not receiver.repeats
    assert trove.term() == 0


def test_cloud_events_come_as_a_batch_of_them(trove, receiver):
    apply(trove, hook(trove, receiver, ", format: cloudevents"))
    send(20)
    trove.settled(20)
    until(lambda: len(receiver.outcomes()) == 20, "all have come")
    for event in receiver.outcomes():
        cloudevents.check(json.dumps(event))


def test_a_server_that_is_busy_is_left_alone_as_long_as_it_asks(trove, receiver):
    receiver.faults = [(429, {"Retry-After": "2"}), (503, {}), (503, {"Retry-After": "1"}), (302, {"Location": "/x"}), (404, {}), (500, {})]
    apply(trove, hook(trove, receiver))
    send(10)
    trove.settled(10)
    all_there(trove, receiver, 10)
    waits = [b - a for a, b in zip(receiver.times, receiver.times[1:])]
    assert waits[0] >= 1.9 and waits[2] >= 0.9
    assert sink(trove)["errors"] == 6 and not sink(trove)["set_aside"]


def test_an_answer_that_is_lost_or_late_brings_the_same_batch_again(trove, receiver):
    receiver.faults = ["cut", None, "late", "cut", "cut"]
    apply(trove, hook(trove, receiver))
    for _ in range(4):
        send(30)
        time.sleep(0.3)
    trove.settled(120)
    all_there(trove, receiver, 120)
    assert receiver.repeats >= 4


def test_troved_killed_at_any_time_sends_the_same_batches_again(trove, receiver):
    dice = random.Random(3)
    apply(trove, hook(trove, receiver, ", batch: 7"))
    for _ in range(8):
        receiver.faults = [None, "cut", None, None, "late"]
        send(100)
        time.sleep(dice.random() / 3)
        trove.kill()
        trove.start()
    send(10)
    trove.settled(10)
    all_there(trove, receiver, 1)
    assert receiver.repeats


def test_one_outcome_that_is_refused_is_set_aside_alone(trove, receiver):
    receiver.refuse = lambda outcomes: 422 if any(o.get("item") == "I5" for o in outcomes) else None
    send(20)
    trove.settled(20)
    apply(trove, hook(trove, receiver))
    until(lambda: sink(trove)["set_aside"] == 1 and len(receiver.outcomes()) == 19, "the others have come", 60)
    dead = [json.loads(line) for line in (trove.dir / "data/sinks/w.dead").read_text().splitlines()]
    assert [d["outcome"]["item"] for d in dead] == ["I5"] and "status 422" in dead[0]["error"]
    assert len({o["seq"] for o in receiver.outcomes()}) == 19


def test_a_secret_that_is_missing_is_told(trove, receiver):
    line = hook(trove, receiver)
    (trove.dir / "secret").unlink()
    apply(trove, line)
    send(10)
    trove.settled(10)
    until(lambda: "secret_file" in sink(trove).get("error", ""), "it says so")
    (trove.dir / "secret").write_bytes(SECRET + b"\n")
    all_there(trove, receiver, 10)
