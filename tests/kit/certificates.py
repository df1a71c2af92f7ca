"""An authority and certificates that it signs, made anew in a directory, for tests of TLS."""
import datetime
import ipaddress
import ssl

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

DAY = datetime.timedelta(days=1)


class Authority:
    """`directory` gets ca.crt; `issue` makes NAME.crt and NAME.key beside it."""

    def __init__(self, directory, name="authority"):
        self.directory = directory
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        certificate = self._builder(self.name, self.key).add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        self.file = directory / f"{name}.crt"
        self.file.write_bytes(self._signed(certificate))

    def _builder(self, name, key):
        now = datetime.datetime.now(datetime.timezone.utc)
        return (x509.CertificateBuilder().subject_name(name).issuer_name(self.name).public_key(key.public_key())
                .serial_number(x509.random_serial_number()).not_valid_before(now - DAY).not_valid_after(now + 30 * DAY))

    def _signed(self, builder):
        return builder.sign(self.key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)

    def issue(self, name, password=None, common_name=None):
        """(certificate's file, key's file) for localhost and 127.0.0.1."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name or name)])
        names = x509.SubjectAlternativeName([x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
        certificate_file, key_file = self.directory / f"{name}.crt", self.directory / f"{name}.key"
        certificate_file.write_bytes(self._signed(self._builder(subject, key).add_extension(names, critical=False)))
        secret = serialization.BestAvailableEncryption(password.encode()) if password else serialization.NoEncryption()
        key_file.write_bytes(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, secret))
        return str(certificate_file), str(key_file)

    def trusted(self, certificate=None, version=None):
        """An SSLContext of a client that trusts this authority, and shows `certificate` (two files) if it is given."""
        context = ssl.create_default_context(cafile=str(self.file))
        if certificate:
            context.load_cert_chain(*certificate)
        if version:
            context.minimum_version = context.maximum_version = version
        return context


class TlsClient:
    """One end of TLS over a socket, of which every byte that goes out can be held back, cut up, or left away."""

    def __init__(self, sock, context):
        self.sock = sock
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = context.wrap_bio(self.incoming, self.outgoing, server_hostname="localhost")

    def taken(self):
        """The bytes that TLS wants sent; nobody sends them but the caller."""
        return self.outgoing.read()

    def receive(self):
        """One look at the socket; False at its end."""
        data = self.sock.recv(65536)
        if data:
            self.incoming.write(data)
        else:
            self.incoming.write_eof()
        return bool(data)

    def greet(self, send=None):
        """The whole handshake; `send` puts the bytes on the way (the socket's sendall)."""
        send = send or self.sock.sendall
        while True:
            try:
                self.tls.do_handshake()
                send(self.taken())
                return self
            except ssl.SSLWantReadError:
                send(self.taken())
                if not self.receive():
                    raise ConnectionError("closed amid the handshake") from None

    def sealed(self, *pieces):
        """The records of these pieces of plain bytes, one for each that is no longer than a record."""
        for piece in pieces:
            self.tls.write(piece)
        return self.taken()

    def read(self, count):
        """Exactly so many plain bytes; fewer at the end of the stream."""
        got = b""
        while len(got) < count:
            try:
                piece = self.tls.read(count - len(got))
            except ssl.SSLWantReadError:
                if not self.receive():
                    return got
                continue
            except ssl.SSLEOFError:
                return got
            if not piece:
                return got
            got += piece
        return got
