"""harness.py - runs a stream through the program and the model, and holds their answers against each other."""
import json
import os
import pathlib
import random
import re
import subprocess

import configs
from corrections_model import Correction
from json_model import Fault, parse_event
from streams import Maker
from trove_model import Model

TOP = pathlib.Path(__file__).resolve().parents[2]
APPLY = pathlib.Path(os.environ.get("TROVE_BUILD", TOP / "build")) / "tests/model/apply"
ROUNDS = int(os.environ.get("TROVE_ROUNDS", "1"))  # how many times as many cases; scripts/test --long
RESET = None  # in a stream: everything so far is forgotten


ESCAPES = {c: f"\\x{c:02x}" for c in [*range(32), 92, *range(127, 256)]}


def escaped(raw):
    return raw.decode("latin-1").translate(ESCAPES)


def yaml(config):
    """JSON is YAML; a string that begins with '#' stands for a number as it is written."""
    return re.sub(r'"#([-+.0-9eE]+)"', r"\1", json.dumps(config))


class Bench:
    """One configuration, or versions of it, with their catalogs, in a directory, for both."""

    def __init__(self, directory, config, catalogs):
        self.dir = pathlib.Path(directory)
        self.versions, self.catalogs = config if isinstance(config, list) else [config], catalogs
        self.model = Model(self.versions[0], catalogs)
        for number, version in enumerate(self.versions):
            whole = {"version": 1, "data_dir": str(self.dir / "data"),
                     "ports": [{"name": "p0", "device": "net_null0", "address": "192.0.2.1/24"}], **version}
            self.file(number).write_text(yaml(whole))
        for name, text in catalogs.items():
            (self.dir / name).write_text(text)
        self.config = self.file(0)

    def file(self, number):
        return self.dir / f"trove-{number}.yaml"

    def line(self, one):
        if one is RESET:
            return "reset\n"
        if isinstance(one, Correction):
            return f"correct {one.receive_ns}\t{escaped(one.raw)}\n"
        return f"config {self.file(one)}\n" if isinstance(one, int) else f"{one[0]}\t{escaped(one[1])}\n"

    def run(self, stream, shards=1, program=APPLY):
        """The program's answers to a stream of (receive_ns, bytes), versions' numbers and RESET, and the hashes of what it left."""
        done = subprocess.run([program, self.config, str(shards)], input="".join(map(self.line, stream)), capture_output=True, text=True,
                              check=False)
        assert done.returncode == 0, done.stderr
        answers, hashes = [], []
        for line in done.stdout.splitlines():
            (answers if line.startswith('{"result"') else hashes).append(json.loads(line))
        assert len(answers) == sum(isinstance(line, tuple) for line in stream)
        return answers, hashes

    def agree(self, stream, shards=1):
        """Asserts that program and model say the same of every event; returns the program's answers."""
        answers, _ = self.run(stream, shards)
        if len(self.versions) > 1:
            self.model = Model(self.versions[0], self.catalogs)
        self.model.reset()
        hashed = Hashed(self.model)
        left = iter(answers)
        for number, line in enumerate(stream):
            if line is RESET:
                self.model.reset()
            elif isinstance(line, int):
                self.model.load(self.versions[line])
            elif isinstance(line, Correction):
                self.agree_on_correction(number, line, next(left), hashed)
            else:
                self.agree_on(number, line, next(left), hashed)
        return answers

    def agree_on(self, number, line, got, hashed):
        receive_ns, raw = line
        want = self.model.apply(raw, receive_ns, got["partition"], got)
        hashed.check(raw, got)
        assert got["left_early"] == self.model.left_early, f"event {number} at {receive_ns}: {got}\nmodel   {self.model.left_early} left early"
        said = {key: value for key, value in got.items() if key not in ("partition", "left_early", "outcomes")}
        said["outcomes"] = [{k: v for k, v in outcome.items() if k != "award"} for outcome in got["outcomes"]]
        assert said == want, f"event {number} at {receive_ns}: {raw[:600]!r}\nprogram {said}\nmodel   {want}"


    def agree_on_correction(self, number, correction, got, hashed):
        want = self.model.correct(correction, got["partition"], got)
        awards = [(outcome.pop("award"), out["award"]) for outcome, out in zip(want["outcomes"], got["outcomes"]) if "award" in outcome]
        told = f"correction {number} {correction}: program {got}\nmodel   {want}"
        assert len(got["outcomes"]) == len(want["outcomes"]), told
        for key, value in want.items():
            if key != "outcomes":
                assert got[key] == value, told
        for said, wanted in zip(got["outcomes"], want["outcomes"]):
            assert {key: said[key] for key in wanted} == wanted, told
        hashed.placed("tile" if "tile" in correction.said else "user", correction.said, got["partition"])
        for cause, award in awards:
            hashed.caused(cause, award)


class Hashed:
    """What hashes decide: a partition belongs to a tile or a user, an award's id to (user, event's id, hunt) and to nothing else."""

    def __init__(self, model):
        self.model = model
        self.partition, self.award, self.owner = {}, {}, {}

    def placed(self, kind, said, partition):
        name = said[kind] if isinstance(said[kind], bytes) else said[kind].encode()
        assert self.partition.setdefault((kind, name), partition) == partition

    def caused(self, cause, award):
        """No cause, no award."""
        if cause is None:
            assert int(award, 16) == 0
            return
        assert int(award, 16) != 0
        assert self.award.setdefault(cause, award) == award
        assert self.owner.setdefault(award, cause) == cause

    def check(self, raw, answer):
        try:
            event = parse_event(raw, self.model.event_bytes, self.model.event_depth)
        except Fault:
            return
        self.placed("tile" if "tile" in event else "user", event, answer["partition"])
        for outcome in answer["outcomes"]:
            won = outcome["kind"] in ("award", "claim_granted")
            self.caused((event["user"], event["id"], outcome["hunt"]) if won else None, outcome["award"])


def outcomes(answers, kind):
    return [outcome for answer in answers for outcome in answer["outcomes"] if outcome["kind"] == kind]


def hostile(directory, seed, count):
    """A bench of trails and baskets from a seed, and a stream at the edges of their rules."""
    rng = random.Random(seed)
    items = rng.choice([4, 12, 40])
    text = configs.catalog(rng, items, items * rng.choice([1, 3, 9]))
    hunts = configs.hunts(rng, text, rng.choice([1, 4, 9]))
    bench = Bench(directory, configs.config(hunts), {"c.tsv": text})
    return bench, Maker(seed).stream(count, rng.choice([1, 5, 30]), items, len(hunts))


def corrected(directory, seed, count):
    """A bench of hunts of all kinds from a seed, and a stream with corrections in it."""
    rng = random.Random(seed)
    catalogs = {"c.tsv": configs.catalog(rng, 6, 40)}
    hunt_count = rng.choice([2, 4, 9])
    version = configs.versions(rng, 1, hunt_count, catalogs)[0]
    maker, users = Maker(seed), rng.choice([1, 5, 12])
    stream = maker.stream(count, users, 6, hunt_count, versions=[version])
    stream = [line for line in stream if not isinstance(line, int)]
    return Bench(directory, version, catalogs), maker.corrected(stream, users, version)


def reloaded(directory, seed, count):
    """A bench of hunts of all kinds in versions of a configuration, and a stream in which these take turns."""
    rng = random.Random(seed)
    items = rng.choice([4, 12, 40])
    catalogs = {name: configs.catalog(rng, items, items * rng.choice([1, 3, 9])) for name in ("c.tsv", "d.tsv")}
    hunt_count = rng.choice([1, 4, 9, 12])
    versions = configs.versions(rng, 6, hunt_count, catalogs)
    stream = Maker(seed).stream(count, rng.choice([1, 5, 30]), items, hunt_count, versions=versions)
    return Bench(directory, versions, catalogs), stream
