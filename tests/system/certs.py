"""certs.py - an authority of the test's own, and certificates that it, or another, vouches for."""
import pathlib
import ssl
import subprocess


def openssl(*args):
    subprocess.run(["openssl", *map(str, args)], check=True, capture_output=True, timeout=60)


class Authority:
    """Makes NAME.pem and NAME.key in its directory; ca is its own certificate."""

    def __init__(self, directory, name="ca"):
        self.dir = pathlib.Path(directory)
        self.ca, self.key = self.dir / f"{name}.pem", self.dir / f"{name}.key"
        openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-subj", f"/CN={name}",
                "-keyout", self.key, "-out", self.ca)

    def issue(self, name, names="IP:127.0.0.1,DNS:localhost"):
        cert, key, request, more = (self.dir / f"{name}.{kind}" for kind in ("pem", "key", "csr", "ext"))
        openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-subj", f"/CN={name}", "-keyout", key, "-out", request)
        more.write_text(f"subjectAltName={names}\n")
        openssl("x509", "-req", "-in", request, "-CA", self.ca, "-CAkey", self.key, "-CAcreateserial", "-days", "2", "-extfile", more, "-out", cert)
        return cert, key

    def context(self, name="server", names="IP:127.0.0.1,DNS:localhost", clients=False):
        """A server's; with clients, only those with a certificate of this authority come in."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*self.issue(name, names))
        if clients:
            context.verify_mode = ssl.CERT_REQUIRED
            context.load_verify_locations(self.ca)
        return context
