"""kafka_kit.py - librdkafka's mock cluster as a test's own, or a real cluster by its address, and what a topic holds."""
import collections
import json
import subprocess

from conftest import BUILD

PRODUCE, INIT, ADD_OFFSETS, END, OFFSET_COMMIT = 0, 22, 25, 26, 28  # numbers of requests


class Mock:
    """The mock cluster in a process of its own: what it holds ends with it."""

    def __init__(self, brokers=3):
        self.process = subprocess.Popen([BUILD / "tests/kafka/kafka-mock", str(brokers)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.address = self.process.stdout.readline().strip()

    def tell(self, *words):
        self.process.stdin.write(" ".join(map(str, words)) + "\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline().strip()
        assert answer == "ok", words
        return self

    def kill(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()


def read(address, topic, *settings):
    """What a topic holds, each message as a dict, partition by partition."""
    run = subprocess.run([BUILD / "tests/kafka/kafka-read", address, topic, *settings], capture_output=True, text=True, timeout=60, check=False)
    assert run.returncode == 0, run.stderr
    return [json.loads(line) for line in run.stdout.splitlines()]


def same(trove, found):
    """The messages are the file sink's lines, each once, every partition's in order and under one key, each with its own id."""
    key = lambda o: tuple(map(int, o["seq"].split(":")))
    said = [json.loads(m["value"]) for m in found]
    seqs, lines = collections.Counter(o["seq"] for o in said), trove.outcomes()
    wrong = {"missing": [o["seq"] for o in lines if o["seq"] not in seqs][:5], "twice": [s for s, n in seqs.items() if n > 1][:5]}
    assert sorted(said, key=key) == sorted(lines, key=key), (len(said), len(lines), wrong)
    assert len({m["headers"]["trove-id"] for m in found}) == len(found)
    last, places = {}, {}
    for outcome, message in zip(said, found):
        partition, seq = key(outcome)
        assert seq > last.get(partition, 0), "out of order"
        last[partition] = seq
        assert message["headers"]["trove-id"] == f"{message['key']}-{seq}" and message["key"].endswith(f"-{partition}")
        assert places.setdefault(message["key"], message["partition"]) == message["partition"]
