"""What event types declare of data, hunts from templates, and variants: in the daemon, at the sink, after a crash."""
import re

from conftest import CONFIG, encode, udp

TYPES = """
    purchase:
      require: [item]
      data:
        price: { type: number, required: true, min: 0, max: 1e6 }
        quantity: { type: integer }
        colour: { type: string, enum: [red, blue], max_length: 8 }
        code: { type: string, pattern: "A-[0-9]*" }
    purchase@2:
      require: [item]
      strict_data: true
      data: { price: { type: string } }
"""

HUNTS = """
templates:
  pairs:
    kind: basket
    types: [view]
    catalog: {dir}/c.tsv
    threshold: 0.5
    items: 2
    ttl: 1h
hunts:
  - name: spring
    template: pairs
    variants: {variants}
    rewards: {{ double: 10 points }}
  - {{ name: autumn, template: pairs, threshold: 900 }}
"""

# The data of a purchase, and why it is rejected, and where.
BAD = [
    ({"price": -0.01}, "data_range", "/data/price"),
    ({"price": "1"}, "data_type", "/data/price"),
    ({"price": 1, "quantity": 1.5}, "data_type", "/data/quantity"),
    ({"price": 1, "colour": "green"}, "data_value", "/data/colour"),
    ({"colour": "reddishly"}, "data_length", "/data/colour"),
    ({"price": 1, "code": "B-1"}, "data_value", "/data/code"),
    ({"quantity": 1}, "data_required", "/data"),
    ([1], "data_type", "/data"),
]


def typed(make):
    events = CONFIG.index("journal:")
    types = TYPES.replace("{", "{{").replace("}", "}}").lstrip("\n")
    return make(config=CONFIG[:events] + types + CONFIG[events:])


def test_data_is_rejected_with_reason_and_pointer(make):
    trove = typed(make).start()
    sock = udp()
    want = {}
    for data, reason, _ in BAD:
        sock.send(encode(type="purchase", data=data))
        want[reason] = want.get(reason, 0) + 1
    sock.send(encode(type="purchase"))
    sock.send(encode(type="purchase@2", data={"price": "1", "more": 1}))
    want["data_required"] += 1
    want["data_unknown"] = 1
    sock.send(encode(type="purchase", data={"price": 2.5, "quantity": 2, "colour": "red", "code": "A-7", "x": None}))
    sock.send(encode(type="purchase@2", data={"price": "1"}))
    now = trove.settled(len(BAD) + 4)
    assert now["account"]["accepted"] == 2 and now["account"]["rejected"] == len(BAD) + 2
    assert {k: v for k, v in now["rejected"].items() if v} == want
    dead = [o for o in trove.outcomes() if o["outcome"] == "rejected"]
    told = [(o["reason"], o["pointer"]) for o in dead if o["reason"].startswith("data_")]
    assert set((reason, pointer) for _, reason, pointer in BAD) <= set(told)
    assert (dead[-1]["reason"], dead[-1]["pointer"]) == ("data_unknown", "/data/more")
    assert dead[0]["bytes"][dead[0]["offset"]:].startswith("-0.01")
    trove.kill()
    trove.start()
    assert re.search(r"recovered: .*\b12 events", trove.log.read_text()), trove.log.read_text()


def test_a_schema_that_cannot_be_meant_is_refused_at_its_place(trove):
    bad = trove.dir / "bad.yaml"
    bad.write_text(trove.config.read_text().replace("    view:", "    buy: { data: { p: { type: number, min: 2, max: 1 } } }\n    view:"))
    run = trove.ctl("conf", "check", str(bad), status=1)
    assert re.search(r"bad\.yaml:\d+:\d+: error: min, 2, is greater than max, 1", run.stderr), run.stderr


def templated(trove, file, variants):
    (trove.dir / "c.tsv").write_text("i-1\ti-2\t10\ni-2\ti-1\t10\n")
    path = trove.dir / file
    path.write_text(trove.config.read_text() + HUNTS.format(dir=trove.dir, variants=variants))
    return path


def test_hunts_of_a_template_differ_in_what_they_say_themselves(trove):
    path = templated(trove, "new.yaml", "{ plain: 0, double: 1 }")
    assert "threshold: 900" in trove.ctl("conf", "diff", str(path)).stdout
    trove.ctl("conf", "apply", str(path))
    sock = udp()
    for item in ("i-1", "i-2"):
        sock.send(encode(item=item))
    now = trove.settled(2)
    assert [h["awards"] for h in now["hunts"]] == [1, 0]
    assert "double 1 of 1 users" in trove.ctl("status").stdout
    award, = [o for o in trove.outcomes() if o["outcome"] == "award"]
    assert (award["hunt"], award["variant"], award["reward"]) == ("spring", "double", "10 points")


def test_a_variant_stays_over_new_weights_and_a_crash(trove):
    trove.config.write_text(templated(trove, "a.yaml", "{ plain: 0, double: 1 }").read_text())
    trove.ctl("conf", "apply", str(trove.config))
    sock = udp()
    sock.send(encode(user="early", item="i-1"))
    trove.settled(1)
    trove.config.write_text(trove.config.read_text().replace("{ plain: 0, double: 1 }", "{ plain: 1, double: 0 }"))
    trove.ctl("conf", "apply", str(trove.config))
    trove.kill()
    trove.start()
    sock = udp()
    sock.send(encode(user="early", item="i-2"))
    for item in ("i-1", "i-2"):
        sock.send(encode(user="new", item=item))
    now = trove.settled(3)
    awards = {o["user"]: o for o in trove.outcomes() if o["outcome"] == "award"}
    assert awards["early"]["variant"] == "double" and awards["new"]["variant"] == "plain"
    assert "reward" not in awards["new"]
    assert now["hunts"][0]["variants"] == [{"name": "plain", "users": 1, "awards": 1}, {"name": "double", "users": 0, "awards": 1}]
