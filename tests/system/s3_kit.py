"""s3_kit.py - what tests of the archive share: the sink's line, what is in the bucket, and what has to be."""
import hashlib
import json
import re
import subprocess

from fake_s3 import BUCKET, SECRET, USER, REGION
from test_redis import until

NAME = re.compile(r"(?:(?P<prefix>.*)/)?(?P<hour>\d{4}/\d\d/\d\d/\d\d)/(?P<journal>[0-9a-f]{16})-(?P<epoch>\d{6})-(?P<shard>\d{3})-"
                  r"(?P<first>\d{15})(?:-(?P<last>\d{15})\.manifest\.json|\.ndjson\.zst)")


def line(trove, server, keys=""):
    key = trove.dir / "s3.key"
    key.write_text(f"{USER}\n{SECRET}\n")
    given = {"rotate_after": "1s", "timeout": "2s"}
    given = "".join(f", {name}: {value}" for name, value in given.items() if name not in keys)
    return f"  - {{ name: s, type: s3, endpoint: '{server.url}', bucket: {BUCKET}, region: {REGION}, credentials: {key}{given}{keys} }}\n"


def sink(trove):
    return json.loads(trove.ctl("sink", "s", "--json").stdout)["sinks"][0]


def unpack(data):
    return subprocess.run(["zstd", "-dcq"], input=data, capture_output=True, check=True).stdout


def parts_of(name):
    match = NAME.fullmatch(name)
    assert match, name
    return match


def body_of(record):
    if "hex" in record:
        return bytes.fromhex(record["hex"])
    return record["text"].encode() if "text" in record else None


def journal(trove):
    """Every event and dead letter of the data directory, in order: (seq, bytes)."""
    lines = trove.ctl("segment", "export", "--data-dir", trove.dir / "data").stdout.strip("\n").split("\n")
    return [(one["seq"], body_of(one)) for one in map(json.loads, lines) if one["kind"] in ("event", "rejected")]


def records(objects):
    """Every record of the archive, by journal, in order: [(where, line, record)]; names, heads and ordinals are checked."""
    found = {}
    for name in sorted(objects, key=lambda n: n.rsplit("/", 1)[-1]):
        if not name.endswith(".zst"):
            continue
        parts = parts_of(name)
        head, *lines = unpack(objects[name]).decode().strip("\n").split("\n")
        where = int(parts["epoch"]), int(parts["shard"])
        assert json.loads(head) == {"archive": 1, "journal": parts["journal"], "epoch": where[0], "shard": where[1], "first": int(parts["first"])}
        for number, text in enumerate(lines, int(parts["first"])):
            record = json.loads(text)
            assert record["ordinal"] == number
            found.setdefault(where, []).append((name, text, record))
    for where, all_of in found.items():
        assert [r["ordinal"] for _, _, r in all_of] == list(range(1, len(all_of) + 1)), where
    return found


def bodies(objects):
    """The (seq, bytes) of every event and dead letter, as journal has them of the data directory."""
    out = []
    for _, all_of in sorted(records(objects).items()):
        for _, text, record in all_of:
            if record["kind"] in ("event", "rejected"):
                raw = body_of(record)
                if raw is None:
                    raw = text[text.index(',"body":') + 8:-1].encode()
                out.append((f'{record["partition"]}:{record["seq"]}', raw))
    return out


def bucket(server):
    return {name: stored.body for name, stored in server.objects.items()}


def settled(trove, seconds=60):
    try:
        until(lambda: sink(trove)["state"] == "ok" and not sink(trove)["lag_records"], "the archive has all", seconds)
    except AssertionError as late:
        raise AssertionError(sink(trove)) from late


def check_manifests(server):
    """Every manifest names objects that are there, with the hashes that they have."""
    named = []
    for name, stored in server.objects.items():
        if not name.endswith(".manifest.json"):
            continue
        parts, manifest = parts_of(name), json.loads(stored.body)
        prefix = parts["prefix"] + "/" if parts["prefix"] else ""
        assert manifest["hour"][:13].replace("-", "/").replace("T", "/") == parts["hour"]
        assert (manifest["first"], manifest["last"]) == (int(parts["first"]), int(parts["last"]))
        at = manifest["first"]
        for one in manifest["objects"]:
            packed = server.objects[prefix + one["name"]].body
            content = unpack(packed)
            assert one["first"] == at and len(packed) == one["bytes"] and len(content) == one["content_bytes"]
            assert hashlib.sha256(content).hexdigest() == one["content_sha256"]
            assert content.count(b"\n") == one["records"] + 1 and one["last"] == at + one["records"] - 1
            assert server.objects[prefix + one["name"]].meta == {"x-amz-meta-trove-last": str(one["last"]), "x-amz-meta-trove-sha256": one["content_sha256"]}
            at = one["last"] + 1
            named.append(prefix + one["name"])
        assert at == manifest["last"] + 1 and sum(one["records"] for one in manifest["objects"]) == manifest["records"]
    return named
