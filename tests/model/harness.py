"""harness.py - runs a stream through the program and the model, and holds their answers against each other."""
import json
import os
import pathlib
import subprocess

from json_model import Fault, parse_event
from trove_model import Model

TOP = pathlib.Path(__file__).resolve().parents[2]
APPLY = pathlib.Path(os.environ.get("TROVE_BUILD", TOP / "build")) / "tests/model/apply"
RESET = None  # in a stream: everything so far is forgotten


def escaped(raw):
    return "".join(chr(c) if 32 <= c < 127 and c != 92 else f"\\x{c:02x}" for c in raw)


class Bench:
    """A configuration with its catalogs, in a directory, for both."""

    def __init__(self, directory, config, catalogs):
        self.dir = pathlib.Path(directory)
        self.model = Model(config, catalogs)
        self.config = self.dir / "trove.yaml"
        whole = {"version": 1, "data_dir": str(self.dir / "data"), "ports": [{"name": "p0", "device": "net_null0", "address": "192.0.2.1/24"}],
                 **config}
        # JSON is YAML.
        self.config.write_text(json.dumps(whole))
        for name, text in catalogs.items():
            (self.dir / name).write_text(text)

    def run(self, stream, shards=1, program=APPLY):
        """The program's answers to a stream of (receive_ns, bytes), and the hashes of what it left."""
        text = "".join("reset\n" if line is RESET else f"{line[0]}\t{escaped(line[1])}\n" for line in stream)
        done = subprocess.run([program, self.config, str(shards)], input=text, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        answers, hashes = [], []
        for line in done.stdout.splitlines():
            (answers if line.startswith('{"result"') else hashes).append(json.loads(line))
        assert len(answers) == sum(line is not RESET for line in stream)
        return answers, hashes

    def agree(self, stream, shards=1):
        """Asserts that program and model say the same of every event; returns the program's answers."""
        answers, _ = self.run(stream, shards)
        self.model.reset()
        hashed = Hashed(self.model)
        left = iter(answers)
        for number, line in enumerate(stream):
            if line is RESET:
                self.model.reset()
                continue
            receive_ns, raw = line
            got = next(left)
            want = self.model.apply(raw, receive_ns, got["partition"], got["result"])
            hashed.check(raw, got)
            assert got["left_early"] == self.model.left_early, f"event {number} at {receive_ns}: {got}\nmodel   {self.model.left_early} left early"
            said = {key: value for key, value in got.items() if key not in ("partition", "left_early", "outcomes")}
            said["outcomes"] = [{k: v for k, v in outcome.items() if k != "award"} for outcome in got["outcomes"]]
            assert said == want, f"event {number} at {receive_ns}: {raw[:400]!r}\nprogram {said}\nmodel   {want}"
        return answers


class Hashed:
    """What hashes decide: a partition belongs to a tile or a user, an award's id to (user, event's id, hunt) and to nothing else."""

    def __init__(self, model):
        self.model = model
        self.partition, self.award, self.owner = {}, {}, {}

    def check(self, raw, answer):
        try:
            event = parse_event(raw, self.model.event_bytes, self.model.event_depth)
        except Fault:
            return
        owner = ("tile", event["tile"]) if "tile" in event else ("user", event["user"])
        assert self.partition.setdefault(owner, answer["partition"]) == answer["partition"]
        for outcome in answer["outcomes"]:
            if outcome["kind"] != "award":
                assert int(outcome["award"], 16) == 0
                continue
            caused = event["user"], event["id"], outcome["hunt"]
            assert self.award.setdefault(caused, outcome["award"]) == outcome["award"]
            assert self.owner.setdefault(outcome["award"], caused) == caused
