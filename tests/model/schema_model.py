"""schema_model.py - what an event type declares of data, as trove.yaml(5) and graph/schema.h say; numbers as Python's exact decimals."""
import re
from decimal import Decimal

HUGE = 10**7  # no limit that can be configured has an exponent near it
KINDS = {"string": ("string",), "number": ("number",), "integer": ("number",), "boolean": ("true", "false"), "object": ("object",),
         "array": ("array",)}


def exact(text):
    """The number that a text stands for; an exponent beyond all limits counts as HUGE."""
    digits, _, exponent = str(text).lstrip("#").lower().partition("e")
    return Decimal(f"{digits}e{max(-HUGE, min(HUGE, int(exponent or 0)))}")


def whole(number):
    _, digits, exponent = number.as_tuple()
    text = "".join(map(str, digits))
    return not number or exponent + len(text) - len(text.rstrip("0")) >= 0


def expression(pattern):
    """A pattern as a regular expression for the whole text."""
    out, at = "", 0
    while at < len(pattern):
        c = pattern[at]
        at += 1
        if c == "*":
            out += ".*"
        elif c == "?":
            out += "."
        elif c == "[":
            negated = pattern[at] == "!"
            at += negated
            end = pattern.index("]", at + 1)
            out += ("[^" if negated else "[") + one_of(pattern[at:end]) + "]"
            at = end + 1
        else:
            out += re.escape(c)
    return re.compile(out, re.DOTALL)


def one_of(text):
    """What stands in a class: single characters and ranges, a '-' at either end being itself."""
    out, at = "", 0
    while at < len(text):
        if at + 2 < len(text) and text[at + 1] == "-":
            out += re.escape(text[at]) + "-" + re.escape(text[at + 2])
            at += 3
        else:
            out += re.escape(text[at])
            at += 1
    return out


class Member:
    def __init__(self, keys):
        self.type, self.required = keys["type"], keys.get("required", False)
        self.min = exact(keys["min"]) if "min" in keys else None
        self.max = exact(keys["max"]) if "max" in keys else None
        self.lengths = keys.get("min_length", 0), keys.get("max_length", 65535)
        self.values = keys.get("enum")
        self.pattern = expression(keys["pattern"]) if "pattern" in keys else None

    def fault(self, value):
        """What is wrong with a value as json_model reads it, or None."""
        if value[0] not in KINDS[self.type]:
            return "data_type"
        if self.type == "string":
            return self.string_fault(value[1])
        return self.number_fault(exact(value[1].decode())) if value[0] == "number" else None

    def string_fault(self, raw):
        if not self.lengths[0] <= len(raw) <= self.lengths[1]:
            return "data_length"
        text = raw.decode()
        if (self.values and text not in self.values) or (self.pattern and not self.pattern.fullmatch(text)):
            return "data_value"
        return None

    def number_fault(self, number):
        if self.type == "integer" and not whole(number):
            return "data_type"
        if (self.min is not None and number < self.min) or (self.max is not None and number > self.max):
            return "data_range"
        return "data_value" if self.values and all(number != exact(value) for value in self.values) else None


class Schema:
    def __init__(self, keys):
        self.members = {name.encode(): Member(member) for name, member in keys.get("data", {}).items()}
        self.strict = keys.get("strict_data", False)

    def fault(self, event):
        """The first fault in the order of the bytes, as (reason, offset), or None."""
        required = {name for name, member in self.members.items() if member.required}
        if not self.members and not self.strict:
            return None
        if "data" not in event:
            return ("data_required", event["brace_at"]) if required else None
        kind, *held = event["data"]
        if kind != "object":
            return "data_type", event["data_at"]
        members, brace_at = held[0]
        for name, key_at, value_at, value, _ in members:
            if name not in self.members and self.strict:
                return "data_unknown", key_at
            reason = self.members[name].fault(value) if name in self.members else None
            if reason:
                return reason, value_at
            required.discard(name)
        return ("data_required", brace_at) if required else None
