"""cloudevents.py - what CloudEvents 1.0.2 demands of an event in structured mode, section by section."""
import datetime
import json
import re

NAME = re.compile(r"[a-z0-9]+")  # 3.1: attribute names
RFC3339 = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)")
URI_REFERENCE = re.compile(r"[A-Za-z0-9._~:/?#\[\]@!$&'()*+,;=%-]+")
MEDIA_TYPE = re.compile(r"[\w!#$&^.+-]+/[\w!#$&^.+-]+(\s*;.*)?")


def is_string(value):
    """3.1.1: no control characters, no surrogates, no noncharacters; never empty where we use it."""
    return isinstance(value, str) and value != "" and not any(
        c <= 0x1f or 0x7f <= c <= 0x9f or 0xd800 <= c <= 0xdfff or 0xfdd0 <= c <= 0xfdef or c & 0xfffe == 0xfffe
        for c in map(ord, value))


def check(text):
    """The event that a text is; AssertionError when it is none."""
    def unique(pairs):
        assert len({k for k, _ in pairs}) == len(pairs), "a member twice"
        return dict(pairs)
    event = json.loads(text, object_pairs_hook=unique)
    for name, value in event.items():
        if name not in ("data", "data_base64"):
            assert NAME.fullmatch(name) and is_string(value), (name, value)
    for name in ("id", "source", "specversion", "type"):  # 3.2: required
        assert name in event, name
    assert event["specversion"] == "1.0"
    assert URI_REFERENCE.fullmatch(event["source"])
    if "time" in event:  # 3.3
        assert RFC3339.fullmatch(event["time"])
        datetime.datetime.fromisoformat(event["time"].replace("Z", "+00:00"))
    if "datacontenttype" in event:
        assert MEDIA_TYPE.fullmatch(event["datacontenttype"])
    assert not ("data" in event and "data_base64" in event)  # JSON format, 3.1
    return event
