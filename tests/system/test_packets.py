"""Frames as they come off a wire: answered, delivered, or dropped under a name."""
import json
import socket
import struct
import subprocess

from conftest import PORT, encode, udp


def mac(interface):
    link = subprocess.run(["ip", "-j", "link", "show", interface], check=True, capture_output=True).stdout
    return bytes.fromhex(json.loads(link)[0]["address"].replace(":", ""))


def checksum(data):
    total = sum(struct.unpack(f"!{len(data) // 2}H", data[:len(data) & ~1])) + (data[-1] << 8 if len(data) % 2 else 0)
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff


class Wire:
    """Raw frames into the tap, as a neighbour on the link would send them."""

    def __init__(self):
        subprocess.run(["ping", "-c1", "-W2", "192.0.2.1"], check=False, capture_output=True)
        self.sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
        self.sock.bind(("trove0", 0))
        self.ours = mac("trove0")
        # The tap shows both sides the same address; troved answers to the one that its ARP reply names.
        neighbours = subprocess.run(["ip", "neigh", "show", "192.0.2.1"], check=True, capture_output=True, text=True).stdout
        self.theirs = bytes.fromhex(neighbours.split("lladdr ")[1].split()[0].replace(":", ""))

    def send(self, payload, ethertype=0x0800, tags=b""):
        self.sock.send(self.theirs + self.ours + tags + struct.pack("!H", ethertype) + payload)


def ipv4(payload, protocol=17, fragment=0, source="192.0.2.2", ttl=64, total=None, version=0x45):
    header = struct.pack("!BBHHHBBH4s4s", version, 0, total or 20 + len(payload), 1, fragment, ttl, protocol, 0,
                         socket.inet_aton(source), socket.inet_aton("192.0.2.1"))
    return header[:10] + struct.pack("!H", checksum(header)) + header[12:] + payload


def datagram(payload, port=PORT, length=None, check=None):
    header = struct.pack("!HHHH", 40000, port, length or 8 + len(payload), 0)
    pseudo = socket.inet_aton("192.0.2.2") + socket.inet_aton("192.0.2.1") + struct.pack("!HH", 17, 8 + len(payload))
    check = checksum(pseudo + header + payload) or 0xffff if check is None else check
    return header[:6] + struct.pack("!H", check) + payload


def dropped(trove):
    return {reason: n for reason, n in trove.status()["packets"]["dropped"].items() if n}


def test_answers_ping_and_ping6(trove):
    for address in ("192.0.2.1", "2001:db8::1"):
        run = subprocess.run(["ping", "-c3", "-i0.05", "-W2", address], capture_output=True, text=True, check=False)
        assert run.returncode == 0, run.stdout
    assert trove.status()["packets"]["replied"] >= 6


def test_a_tagged_frame_is_delivered(trove):
    wire = Wire()
    wire.send(ipv4(datagram(encode())), tags=b"\x81\x00\x00\x05")
    wire.send(ipv4(datagram(encode())), tags=b"\x88\xa8\x00\x05\x81\x00\x00\x06")
    assert trove.settled(2)["account"]["accepted"] == 2


def test_bad_frames_are_dropped_under_their_name(trove):
    wire = Wire()
    before = dropped(trove)
    good = datagram(encode())
    frames = {
        "truncated": [dict(payload=ipv4(good)[:30])],
        "ip_header": [dict(payload=ipv4(good, version=0x44)), dict(payload=ipv4(good, version=0x65))],
        "ip_checksum": [dict(payload=ipv4(good)[:10] + b"\x00\x01" + ipv4(good)[12:])],
        "ip_source": [dict(payload=ipv4(good, source="224.0.0.1")), dict(payload=ipv4(good, source="127.0.0.1"))],
        "fragment": [dict(payload=ipv4(good, fragment=0x2000)), dict(payload=ipv4(good, fragment=3))],
        "protocol": [dict(payload=ipv4(good, protocol=6))],
        "udp_length": [dict(payload=ipv4(datagram(b"{}", length=100)))],
        "udp_checksum": [dict(payload=ipv4(datagram(b"{}", check=1)))],
        "udp_port": [dict(payload=ipv4(datagram(b"{}", port=9)))],
        "ethertype": [dict(payload=b"x" * 50, ethertype=0x88b5)],
        "vlan_depth": [dict(payload=ipv4(good), tags=b"\x81\x00\x00\x05" * 3)],
    }
    for many in frames.values():
        for frame in many:
            wire.send(**frame)
    wire.send(ipv4(good))
    trove.settled(1)
    after = dropped(trove)
    assert {name: after.get(name, 0) - before.get(name, 0) for name in frames} == {name: len(f) for name, f in frames.items()}


def test_64_kib_of_brackets_arrive_as_fragments_and_are_dropped(trove):
    udp().send(b"[" * 65507)
    udp().send(encode())
    assert trove.settled(1)["account"]["received"] == 1
    assert dropped(trove)["fragment"] == 45


def test_a_frame_cut_anywhere_never_hurts(trove):
    wire = Wire()
    whole = ipv4(datagram(encode()))
    for end in range(len(whole)):
        wire.send(whole[:end])
    wire.send(whole)
    trove.settled(1)
    packets = trove.status()["packets"]
    assert packets["received"] == packets["delivered"] + packets["replied"] + sum(packets["dropped"].values())
