"""corrections_model.py - what an operator's grant, revoke and undo lead to, as OPERATIONS.md and graph/state.h say it.

An award is named by what caused it: (user, event's id, hunt), or ("grant", user, correction's id, hunt).
"""
import copy
import json
from collections import namedtuple

MEMBERS = ("id", "correction", "user", "hunt", "tile", "undo", "reason", "ref", "by")


class Correction(namedtuple("Correction", "receive_ns said")):
    """A line of a stream: said holds the members of its body."""

    @property
    def raw(self):
        """The one form of dataplane/base/correction.h."""
        held = {key: self.said[key] for key in MEMBERS if key in self.said}
        return json.dumps(held, separators=(",", ":"), ensure_ascii=False).encode()


Held = namedtuple("Held", "content seq outcome place before after")


class Progressed:
    """What stands for a user in a trail or a basket."""

    def __init__(self, model, part, said, hunt, now):
        self.model, self.part, self.hunt, self.now = model, part, hunt, now
        self.user = said["user"].encode()
        self.key = self.user, hunt.name, hunt.kind

    def entry(self):
        return self.model.alive(self.part, {"user": self.user}, self.hunt, self.now)

    def standing(self):
        """The award, and whether it was taken back; None where there is none."""
        return self.told_by(self.entry())

    @staticmethod
    def told_by(entry):
        return (entry.award, entry.revoked) if entry and entry.won_ns is not None else None

    def left(self):
        """What a correction leaves; what was put back when its time was over already stands no more, as what is forgotten later."""
        return self.told_by(self.part.progress.get(self.key))

    def bars(self):
        """Why a grant is refused."""
        entry, cooldown = self.entry(), self.hunt.cooldown
        if not entry or entry.won_ns is None or entry.revoked:
            return "none"
        over = cooldown is not None and self.now - entry.won_ns >= cooldown
        return "none" if over else "already_won"

    def grant(self, award, outcome, told):
        old, entry = self.entry(), self.model.fresh()
        entry.variant = old.variant if old else None
        entry.won_ns, entry.last_ns, entry.award = self.now, self.now, award
        self.part.progress[self.key] = entry
        self.model.assign(self.hunt, entry, {"user": self.user}, outcome, told)
        self.model.touch(self.hunt, entry, {"kind": "award"}, self.now)

    def revoke(self):
        """The award and its score, or why not."""
        entry = self.entry()
        if not entry or entry.won_ns is None or entry.revoked:
            return "not_won"
        entry.revoked = True
        return entry.award, entry.score

    def keep(self):
        return copy.deepcopy(self.entry())

    def put_back(self, before, outcome):
        self.part.progress.pop(self.key, None)
        if before:
            self.part.progress[self.key] = copy.deepcopy(before)
        if outcome["kind"] == "granted" and before.variant in self.hunt.variants:
            outcome["variant"] = before.variant


class Claimed:
    """What stands for a tile."""

    def __init__(self, part, said, hunt, now):
        self.claims, self.hunt, self.now, self.name = part.claims, hunt, now, said["tile"]
        tile = hunt.tiles.names.tile(self.name, hunt.tiles.tiles)
        self.key = None if tile is None else (hunt.tiles.series, tile)

    def standing(self):
        return self.claims.holder[self.key] if self.key and self.claims.taken(self.key, self.now) else None

    left = standing

    def bars(self):
        return self.hunt.tiles.judge(self.claims, self.name, self.now)[0]

    def grant(self, award, _outcome, _told):
        _, key, end = self.hunt.tiles.judge(self.claims, self.name, self.now)
        self.claims.give(key, end, award)

    def revoke(self):
        if self.standing() is None:
            return "not_won" if self.key else "unknown_tile"
        self.claims.free(self.key)
        return None, 0

    def keep(self):
        return self.standing()

    def put_back(self, before, _outcome):
        if before:
            self.claims.give(self.key, self.claims.ends[self.key], before)
        else:
            self.claims.free(self.key)


def correct(model, blank, correction, partition, told):
    """What a correction leads to, in the form of an event's answer; an outcome's award is what caused it, or None."""
    said, part = correction.said, model.part(partition)
    now = max(part.last_ns, correction.receive_ns)
    known = answer_again(model, blank, said, partition)
    if known:
        return known
    hunt = next((hunt for hunt in model.hunts if hunt.name == said["hunt"]), None)
    reason = misplaced(hunt, said)
    if reason:
        return changed_nothing("rejected", [], reason)
    if len(part.corrections) >= model.correction_limit:
        return changed_nothing("refused", [])
    place = Claimed(part, said, hunt, now) if hunt.kind == "tiles" else Progressed(model, part, said, hunt, now)
    before, outcome = place.keep(), blank("correction_refused", hunt.name, award=None)
    {"grant": grant, "revoke": revoke, "undo": undo}[said["correction"]](part, said, place, outcome, told)
    part.last_ns, seq = now, part.seq + 1
    part.seq += 2
    part.corrections[said["id"]] = Held(content(said), seq, dict(outcome), where(said), before, place.left())
    return {"result": "accepted", "reason": "none", "offset": 0, "flags": 0, "seq": seq, "receive_ns": now, "outcomes": [outcome]}


def answer_again(model, blank, said, partition):
    """Of an id that was used before: what came of it then, or that it said something else."""
    for number, part in model.partitions.items():
        held = part.corrections.get(said["id"])
        if held and number == partition and held.content == content(said):
            first = {key: held.outcome[key] for key in ("kind", "refusal", "award", "score")}
            return changed_nothing("duplicate", [{**first, "first_seq": held.seq}])
        if held:
            return changed_nothing("duplicate", [{"refusal": "conflict"}])
    return None


def changed_nothing(result, outcomes, reason="none"):
    return {"result": result, "reason": reason, "outcomes": outcomes}


def misplaced(hunt, said):
    if hunt is None:
        return "hunt_unknown"
    if (hunt.kind == "tiles") != ("tile" in said):
        return "tile_forbidden" if "tile" in said else "tile_required"
    return None


def content(said):
    return {key: said[key] for key in said if key != "by"}


def where(said):
    return said["user"], said["hunt"], said.get("tile")


def grant(_part, said, place, outcome, told):
    outcome["refusal"] = place.bars()
    if outcome["refusal"] == "none":
        award = "grant", said["user"], said["id"], said["hunt"]
        outcome.update(kind="granted", award=award)
        place.grant(award, outcome, told)


def revoke(_part, _said, place, outcome, _told):
    taken = place.revoke()
    if isinstance(taken, str):
        outcome["refusal"] = taken
    else:
        outcome.update(kind="revoked", award=taken[0], score=taken[1])


def undo(part, said, place, outcome, _told):
    """Once, and while what the correction left is what stands."""
    held = part.corrections.get(said["undo"])
    if held is None or held.outcome["kind"] == "correction_refused" or held.place != where(said):
        outcome["refusal"] = "unknown_correction"
    elif said["undo"] in part.undone or place.standing() != held.after:
        outcome["refusal"] = "superseded"
    else:
        part.undone.add(said["undo"])
        outcome.update(kind="revoked" if held.outcome["kind"] == "granted" else "granted", award=held.outcome["award"], score=held.outcome["score"])
        place.put_back(held.before, outcome)
