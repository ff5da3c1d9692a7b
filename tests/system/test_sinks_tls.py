"""NATS, webhook and S3 sinks by TLS, and how a NATS sink logs in: whom they trust, who they say they are, and what they say when it is refused."""
import base64
import json
import subprocess
import time

import pytest

from certs import Authority
from fake_nats import FakeNats
from fake_s3 import FakeS3
from nats_kit import SERVER, Server
from s3_kit import line as s3_line
from s3_kit import settled as archived
from test_redis import send, until
from test_sinks import apply, sink
from test_webhook import Receiver, all_there, hook

needs_nats = pytest.mark.skipif(not SERVER, reason="nats-server is not installed")


@pytest.fixture
def authority(tmp_path):
    return Authority(tmp_path)


def refused(trove, name, *words):
    until(lambda: any(word in sink(trove, name).get("last_error", "") for word in words), f"the sink {name} says one of {words}")


def delivered(trove, name, count):
    send(count)
    trove.settled(count)
    until(lambda: sink(trove, name)["delivered"] == count, f"{count} are delivered")


# ---- NATS ----

def nats_sink(keys):
    return f"  - {{ name: n, type: nats, address: '127.0.0.1:4222', timeout: 2s{keys} }}\n"


def nats_tls(authority, more="", name="server", names="IP:127.0.0.1"):
    cert, key = authority.issue(name, names)
    return f"tls {{ cert_file: '{cert}', key_file: '{key}'{more} }}\n"


@needs_nats
def test_nats_by_tls_with_a_certificate_of_ones_own(trove, tmp_path, authority):
    server = Server(tmp_path, more=nats_tls(authority, f", ca_file: '{authority.ca}', verify: true")).start()
    cert, key = authority.issue("trove-pop1")
    try:
        apply(trove, nats_sink(f", tls: true, ca_file: {authority.ca}"))
        until(lambda: sink(trove, "n")["errors"] >= 1, "without one nobody is let in")
        apply(trove, nats_sink(f", tls: true, ca_file: {authority.ca}, cert_file: {cert}, key_file: {key}"))
        delivered(trove, "n", 3000)  # many records of TLS
    finally:
        server.kill()


@needs_nats
@pytest.mark.parametrize("wrong", ["authority", "name", "no tls"])
def test_a_nats_server_that_is_somebody_else(trove, tmp_path, authority, wrong):
    (tmp_path / "other").mkdir()
    tls = {"authority": lambda: nats_tls(Authority(tmp_path / "other")), "name": lambda: nats_tls(authority, names="DNS:nats.example"),
           "no tls": lambda: ""}[wrong]()
    server = Server(tmp_path, more=tls).start()
    try:
        apply(trove, nats_sink(f", tls: true, ca_file: {authority.ca}"))
        refused(trove, "n", "SSL", "ecure")
        assert not sink(trove, "n")["delivered"]
    finally:
        server.kill()


@needs_nats
def test_nats_by_a_token_that_is_read_at_each_connect(trove, tmp_path):
    server = Server(tmp_path, more="authorization { token: s3cret }\n").start()
    (trove.dir / "token").write_text("wrong\n")
    try:
        apply(trove, nats_sink(f", token_file: {trove.dir}/token"))
        refused(trove, "n", "uthorization")
        (trove.dir / "token").write_text("s3cret\n")
        delivered(trove, "n", 20)
    finally:
        server.kill()


def nkey_seed(seed):
    """32 bytes as the text of a user's seed: two bytes of what it is, a CRC-16 behind, in base32."""
    raw, crc = bytes([0x95, 0]) + seed, 0
    for byte in raw:
        crc ^= byte << 8
        for _ in range(8):
            crc = (crc << 1 ^ 0x1021 if crc & 0x8000 else crc << 1) & 0xffff
    return base64.b32encode(raw + crc.to_bytes(2, "little")).decode().rstrip("=")


def is_signed(directory, seed, text, signature):
    """By Ed25519 with this seed, as openssl has it."""
    (directory / "key.der").write_bytes(bytes.fromhex("302e020100300506032b657004220420") + seed)
    (directory / "text").write_bytes(text)
    (directory / "sig").write_bytes(signature)
    return subprocess.run(["openssl", "pkeyutl", "-verify", "-rawin", "-inkey", directory / "key.der", "-keyform", "DER", "-in", directory / "text",
                           "-sigfile", directory / "sig"], capture_output=True, check=False, timeout=60).returncode == 0


class NonceNats(FakeNats):
    """Says a nonce, and keeps what a client answers."""

    def __init__(self):
        self.said = []
        super().__init__()
        self.hello = lambda: [b'INFO {"server_id":"x","server_name":"x","version":"2.9.10","proto":1,"headers":true,"max_payload":1048576,'
                              b'"jetstream":true,"auth_required":true,"nonce":"a-nonce-of-16-by"}\r\n']

    def take(self, peer, lines, words):
        if words[0] == b"CONNECT":
            self.said.append(json.loads(b" ".join(words[1:])))
        super().take(peer, lines, words)


def test_nats_by_credentials_signs_the_nonce(trove, tmp_path):
    fake, seed = NonceNats(), bytes(range(32))
    (trove.dir / "data/user.creds").write_text(f"-----BEGIN NATS USER JWT-----\neyJ.a.jwt\n------END NATS USER JWT------\n\n"
                                               f"-----BEGIN USER NKEY SEED-----\n{nkey_seed(seed)}\n------END USER NKEY SEED------\n")
    try:
        apply(trove, nats_sink(", credentials: user.creds"))  # relative to data_dir
        delivered(trove, "n", 20)
        said = fake.said[0]
        signature = base64.urlsafe_b64decode(said["sig"] + "==")
        assert said["jwt"] == "eyJ.a.jwt" and is_signed(tmp_path, seed, b"a-nonce-of-16-by", signature)
        assert not is_signed(tmp_path, seed, b"another", signature)
    finally:
        fake.close()


# ---- over HTTP ----

def test_a_webhook_by_tls(trove, tmp_path, authority):
    receiver = Receiver()
    (tmp_path / "other").mkdir()
    other = Authority(tmp_path / "other")
    receiver.server.socket = authority.context(clients=True).wrap_socket(receiver.server.socket, server_side=True)
    receiver.url = receiver.url.replace("http:", "https:")
    cert, key = authority.issue("trove-pop1")
    own = f", cert_file: {cert}, key_file: {key}"
    try:
        send(50)
        trove.settled(50)
        apply(trove, hook(trove, receiver, f", ca_file: {other.ca}{own}"))
        refused(trove, "w", "certificate")
        apply(trove, hook(trove, receiver, f", ca_file: {authority.ca}"))
        until(lambda: sink(trove, "w")["errors"] >= 2, "without a certificate nobody is let in")
        assert not receiver.batches
        apply(trove, hook(trove, receiver, f", ca_file: {authority.ca}{own}"))
        all_there(trove, receiver, 50)
    finally:
        receiver.server.shutdown()
        receiver.server.server_close()


def test_an_archive_by_tls(trove, authority):
    server = FakeS3()
    server.server.socket = authority.context().wrap_socket(server.server.socket, server_side=True)
    server.url = server.url.replace("http:", "https:")
    try:
        apply(trove, s3_line(trove, server))
        refused(trove, "s", "certificate")
        assert not server.objects
        apply(trove, s3_line(trove, server, f", ca_file: {authority.ca}"))
        send(50)
        time.sleep(1.2)
        archived(trove)
        assert server.objects
    finally:
        server.close()
