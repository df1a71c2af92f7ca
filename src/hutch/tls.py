"""What a server needs to speak TLS, in the words of Python's ssl module."""
from __future__ import annotations

import os
import ssl
from dataclasses import dataclass
from typing import Mapping, Union

__all__ = ["TLS"]

Path = Union[str, "os.PathLike[str]"]
CLIENTS = {ssl.CERT_NONE: "no", ssl.CERT_OPTIONAL: "optional", ssl.CERT_REQUIRED: "yes"}
VERSIONS = {ssl.TLSVersion.TLSv1: "TLSv1", ssl.TLSVersion.TLSv1_1: "TLSv1.1", ssl.TLSVersion.TLSv1_2: "TLSv1.2",
            ssl.TLSVersion.TLSv1_3: "TLSv1.3"}


@dataclass(frozen=True)
class TLS:
    """Certificate, key and the rest, for `hutch.Server(tls=...)`.

    `certfile`, `keyfile` and `password` are those of ssl.SSLContext.load_cert_chain: files in PEM form, the certificate's with the
    chain behind it; without a keyfile the key stands in the certfile, too. `cafile` and `capath` are those of
    load_verify_locations: who signs clients' certificates. Clients are asked for one as `verify_mode` says (ssl.CERT_NONE,
    CERT_OPTIONAL, CERT_REQUIRED); unless it is given they must have one if there is a cafile or capath, and are not asked otherwise.

    >>> TLS("server.crt", "server.key", cafile="ca.crt").parameters()["tls-auth-clients"]
    'yes'
    """

    certfile: Path
    keyfile: Path | None = None
    password: str | None = None
    cafile: Path | None = None
    capath: Path | None = None
    verify_mode: ssl.VerifyMode | None = None
    minimum_version: ssl.TLSVersion = ssl.TLSVersion.TLSv1_2
    ciphers: str | None = None           # of TLS up to 1.2, as ssl.SSLContext.set_ciphers
    ciphersuites: str | None = None      # of TLS 1.3

    @classmethod
    def of(cls, given: "TLS | Mapping[str, object] | Path") -> "TLS":
        """A TLS as it is, made from a mapping of its arguments, or from the path of a certfile. TypeError for anything else."""
        if isinstance(given, cls):
            return given
        if isinstance(given, Mapping):
            return cls(**given)          # type: ignore[arg-type]
        if isinstance(given, (str, os.PathLike)):
            return cls(given)
        raise TypeError(f"tls must be a hutch.TLS, a mapping of its arguments or the path of a certfile, not {type(given).__name__}")

    def parameters(self) -> dict[str, str]:
        """The same as parameters of a redis.conf. ValueError for a verify_mode or minimum_version that is none. O(1)"""
        verify_mode = self.verify_mode
        if verify_mode is None:
            verify_mode = ssl.CERT_REQUIRED if self.cafile or self.capath else ssl.CERT_NONE
        if verify_mode not in CLIENTS:
            raise ValueError(f"verify_mode={verify_mode!r} is none of ssl.VerifyMode")
        minimum = ssl.TLSVersion(self.minimum_version)
        if minimum == ssl.TLSVersion.MINIMUM_SUPPORTED:
            minimum = ssl.TLSVersion.TLSv1
        elif minimum == ssl.TLSVersion.MAXIMUM_SUPPORTED:
            minimum = ssl.TLSVersion.TLSv1_3
        if minimum not in VERSIONS:
            raise ValueError(f"minimum_version={minimum!r} is no version of TLS")
        return {
            "tls-cert-file": os.fspath(self.certfile),
            "tls-key-file": os.fspath(self.keyfile or self.certfile),
            "tls-key-file-pass": self.password or "",
            "tls-ca-cert-file": os.fspath(self.cafile or ""),
            "tls-ca-cert-dir": os.fspath(self.capath or ""),
            "tls-auth-clients": CLIENTS[ssl.VerifyMode(verify_mode)],
            "tls-protocols": " ".join(name for version, name in VERSIONS.items() if version >= minimum),
            "tls-ciphers": self.ciphers or "",
            "tls-ciphersuites": self.ciphersuites or "",
        }
