"""configs.py - catalogs and configurations from a seed, with every parameter somewhere between its edges."""
import copy

MS, S = 10**6, 10**9
T0 = 1795209600 * S  # 2026-11-20T12:00:00Z

TYPES = {"view": {"require": ["item"]}, "note": {}, "claim": {"require": ["tile"], "forbid": ["item"]},
         "bare": {"forbid": ["tile"]}, "tight": {"require": ["item"], "strict": True},
         "buy": {"data": {"price": {"type": "number", "required": True, "min": 0, "max": "#1e6"},
                          "count": {"type": "integer", "min": -3, "max": "#4e1"},
                          "rate": {"type": "number", "enum": ["#0.1", "#2.50", 1]},
                          "colour": {"type": "string", "enum": ["red", "blüe", "no. 1"]},
                          "code": {"type": "string", "pattern": "[A-F]?-*[!0-9]"},
                          "name": {"type": "string", "min_length": 2, "max_length": 9},
                          "ok": {"type": "boolean"}, "more": {"type": "object"}, "list": {"type": "array"}}},
         "buy@2": {"strict_data": True, "data": {"price": {"type": "integer"}, "list": {"type": "array", "required": True}}}}


def item(number):
    return f"i{number}"


def catalog(rng, items, edges, weights=("1", "2", "0.333", "7.5", "100", "0.000000001", "1000000000")):
    """A catalog's text, with comments, repeated edges and loops."""
    lines = ["# made from a seed", ""]
    for _ in range(edges):
        lines.append(f"{item(rng.randrange(items))}\t{item(rng.randrange(items))}\t{rng.choice(weights)}")
    return "\n".join(lines) + "\n"


def named_items(text):
    return sorted({name for line in text.splitlines() if line and line[0] != "#" for name in line.split("\t")[:2]})


def walking(rng, names):
    """The keys of a trail or a basket over items of these names."""
    if rng.random() < 0.5:
        ends = rng.sample(names, min(len(names), 7))
        return {"kind": "trail", "start": ends[::2], "treasure": ends[1::2], "min_step": rng.choice(["0s", "500ms", "3s"]),
                "max_depth": rng.choice([1, 3, 16])}
    return {"kind": "basket", "recent": rng.choice([1, 2, 5, 16]), "ttl": rng.choice(["1s", "10s", "1500ms", "5m", "30h"]),
            "items": rng.choice([1, 3, 16]), "threshold": rng.choice([0.01, 0.5, 1.7, 4, 900]),
            "decay": rng.choice([1, 0.5, 0.3, 0.99, 0.004]), "max_depth": rng.choice([1, 2, 3, 4])}


def variants(rng):
    """Weights by name: some 0, never all of them."""
    names = rng.sample(["plain", "double", "triple", "none"], rng.randrange(1, 5))
    weights = {name: rng.choice([0, 1, 5, 90, 1_000_000]) for name in names}
    return weights if any(weights.values()) else {**weights, names[-1]: 1}


def tiles(rng):
    keys = {"kind": "tiles", "tiles": rng.choice([1, 3, 50, 1_000_000]), "period": rng.choice(["100ms", "1s", "7s", "1m"]),
            "live": rng.choice([1, 2, 5, 60]), "map_ttl": rng.choice(["1h", "2h", "24h"])}
    return {**keys, "seed": rng.choice(["s1", "s2"])} if rng.random() < 0.6 else keys


def hunt(rng, name, catalogs, with_tiles):
    """A hunt; catalogs hold the text by the file's name."""
    keys = {"name": name}
    if rng.random() < 0.5:
        keys["types"] = ["view", "note", "claim"][rng.randrange(2):][:rng.randrange(1, 4)] + ["bare", "tight", "buy", "buy@2"][:rng.randrange(5)]
    if rng.random() < 0.2:
        keys["starts"] = "2026-11-20T12:00:30Z"
    if rng.random() < 0.1:
        keys["ends"] = "2026-11-20T12:20:00Z"
    if with_tiles and rng.random() < 0.4:
        keys.update(tiles(rng))
        if "types" in keys:
            keys["types"] = sorted({*keys["types"], "claim"})
        return keys
    file = rng.choice(sorted(catalogs))
    keys.update(walking(rng, named_items(catalogs[file])), catalog=file, max_fanout=rng.choice([1, 2, 5, 1024]), budget=rng.choice([1, 7, 40, 4096]))
    if rng.random() < 0.4:
        keys["cooldown"] = rng.choice(["1s", "20s", "7m"])
    if rng.random() < 0.5:
        keys["variants"] = variants(rng)
    return keys


def hunts(rng, text, count):
    return fit({"hunts": [hunt(rng, f"h{number}", {"c.tsv": text}, False) for number in range(count)]})["hunts"]


def fit(version):
    """Budgets as far as a configuration may have them: 896 edges an event, of a trail's each eight counting as one."""
    walkers = [one for one in version["hunts"] if one["kind"] != "tiles"]
    for one in walkers:
        share = 896 // len(walkers)
        one["budget"] = max(32, min(one["budget"], share)) if one["kind"] == "basket" else min(one["budget"], 8 * share)
    return version


def config(hunt_list, **events):
    return {"partitions": 4, "hunts": hunt_list, "limits": {"users": 20000, "user_ttl": "60s", "claims": 1000, "corrections": 1000},
            "events": {"types": TYPES, "skew_tolerance": "5s", "skew_reject": "60s", "lateness": "30s",
                       "dedupe": {"capacity": 60000, "window": "64s"}, **events}}


def templated(rng, version):
    """The same with some of its hunts' keys in templates, which say more than the hunts take over."""
    version["templates"] = {}
    for one in version["hunts"]:
        if rng.random() < 0.5:
            continue
        keys = {key: one[key] for key in one if key not in ("name", "variants") and rng.random() < 0.6}
        version["templates"]["t-" + one["name"]] = {**keys, "kind": one["kind"]}
        if one["kind"] != "tiles" and "budget" not in keys:
            version["templates"]["t-" + one["name"]]["budget"] = 32
        for key in set(keys) & {"starts", "ends", "max_fanout", "period", "catalog", "start", "ttl", "variants"}:
            del one[key]
        one["template"] = "t-" + one["name"]
    return version


def changed(rng, version, names, catalogs):
    """Another version of a configuration: some hunts as they were, some changed, some new or gone, in another order."""
    other = config([copy.deepcopy(one) for one in version["hunts"] if rng.random() < 0.6], skew_tolerance=rng.choice(["0s", "5s"]),
                   skew_reject=rng.choice(["5s", "60s"]), lateness=rng.choice(["30s", "64s", "1s"]))
    for one in other["hunts"]:
        if rng.random() < 0.5 and "template" not in one:
            fresh = hunt(rng, one["name"], catalogs, True)
            same = fresh["kind"] == one["kind"] and fresh.get("catalog") == one.get("catalog")
            one.update({key: fresh[key] for key in fresh if same and key not in ("start", "treasure", "types")})
    held = {one["name"] for one in other["hunts"]}
    other["hunts"] += [hunt(rng, name, catalogs, True) for name in names if name not in held and rng.random() < 0.6]
    rng.shuffle(other["hunts"])
    other["templates"] = copy.deepcopy(version.get("templates", {}))
    other["limits"]["user_ttl"] = rng.choice(["1s", "60s", "10m"])
    types = copy.deepcopy(TYPES)
    types["tight"]["strict"] = rng.random() < 0.5
    types["view"] = rng.choice([{"require": ["item"]}, {}])
    if rng.random() < 0.3:
        types["buy"] = rng.choice([{}, {"strict_data": True}, {"data": {"price": {"type": "string"}}}])
    if rng.random() < 0.3:
        types["nothing"] = {}
    other["events"]["types"] = types
    return fit(other)


def versions(rng, count, hunt_count, catalogs):
    """Versions of a configuration: what fits together of hunts of all kinds, with variants and templates."""
    names = [f"h{number}" for number in range(hunt_count)]
    made = [templated(rng, fit(config([hunt(rng, name, catalogs, True) for name in names])))]
    for _ in range(count - 1):
        made.append(changed(rng, made[-1], names, catalogs))
    return made
