"""Sets up TLS of the server and of its clients; makes certificates for tests and for sites without an authority.

The openssl command makes the files. iRODS reads them at each connection (plugins/network/src/ssl.cpp).
"""

from __future__ import annotations

import argparse
import ipaddress
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from irods_config.icommands import SetupError

DAYS = 825
"""Life of a test certificate in days."""


@dataclass(frozen=True)
class TLSFiles:
    """PEM files: the server's chain and key, Diffie-Hellman parameters, and the authority that clients trust."""

    certificate: Path
    key: Path
    dhparams: Path
    authority: Path

    @classmethod
    def inside(cls, folder: Path) -> TLSFiles:
        """Returns the usual names in one folder."""
        return cls(folder / "server.crt", folder / "server.key", folder / "dhparams.pem", folder / "ca.crt")

    def missing(self) -> list[Path]:
        """Returns the files that are missing."""
        return [path for path in (self.certificate, self.key, self.dhparams, self.authority) if not path.is_file()]

    def check(self, host: str) -> list[str]:
        """Lists what is wrong with the files: unreadable, expired within a week, not for this host, key of another
        certificate.
        """
        if missing := self.missing():
            return [f"{path}: is not there" for path in missing]
        faults = [f"{self.key}: may be read by others"] if self.key.stat().st_mode & 0o077 else []
        certificate, shown = str(self.certificate), ("x509", "-in", str(self.certificate), "-noout")
        if _openssl(*shown, "-checkend", str(7 * 86400), may_fail=True) is None:
            faults.append(f"{certificate}: is no longer valid in a week, or no certificate")
        elif (
            _openssl("verify", "-CAfile", str(self.authority), "-untrusted", certificate, certificate, may_fail=True)
            is None
        ):
            faults.append(f"{certificate}: was not signed by {self.authority}")
        elif "does match" not in (_openssl(*shown, _kind(host), host, may_fail=True) or ""):
            faults.append(f"{certificate}: is not for {host}")
        elif _openssl(*shown, "-pubkey") != _openssl("pkey", "-in", str(self.key), "-pubout"):
            faults.append(f"{self.key}: is not the key of {certificate}")
        return faults


def self_signed(folder: Path, hosts: Sequence[str]) -> TLSFiles:
    """An authority, a server's certificate for `hosts`, and parameters, in `folder`; files that are there stay.

    SetupError.
    """
    files = TLSFiles.inside(folder)
    folder.mkdir(mode=0o755, parents=True, exist_ok=True)
    if not files.dhparams.is_file():
        # The group ffdhe2048 of RFC 7919: known to be safe, and there at once.
        _make(files.dhparams, "genpkey", "-genparam", "-algorithm", "DH", "-pkeyopt", "group:ffdhe2048", mode=0o644)
    if not files.certificate.is_file() or not files.key.is_file():
        if not files.authority.is_file():
            subject = ["-subj", "/CN=MrData test authority", "-addext", "keyUsage=critical,keyCertSign,cRLSign"]
            _request(files.authority, folder / "ca.key", ["-addext", "basicConstraints=critical,CA:TRUE", *subject])
        names = ",".join(f"{'IP' if _kind(host) == '-checkip' else 'DNS'}:{host}" for host in hosts)
        signed = ["-CA", str(files.authority), "-CAkey", str(folder / "ca.key"), "-subj", f"/CN={hosts[0]}"]
        usage = [
            "-addext",
            f"subjectAltName={names}",
            "-addext",
            "extendedKeyUsage=serverAuth",
            "-addext",
            "basicConstraints=CA:FALSE",
        ]
        _request(files.certificate, files.key, [*signed, *usage])
    return files


def client_entries(authority: Path) -> dict[str, Any]:
    """Returns what a client adds to its irods_environment.json."""
    return {
        "irods_client_server_policy": "CS_NEG_REQUIRE",
        "irods_ssl_ca_certificate_file": str(authority),
        "irods_ssl_verify_server": "hostname",
        "irods_encryption_algorithm": "AES-256-CBC",
        "irods_encryption_key_size": 32,
        "irods_encryption_num_hash_rounds": 16,
        "irods_encryption_salt_size": 8,
    }


def _kind(host: str) -> str:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return "-checkhost"
    return "-checkip"


def _request(certificate: Path, key: Path, options: Sequence[str]) -> None:
    """A new key and its certificate.

    The key is there, readable by its owner alone, before the certificate that needs it.
    """
    _make(key, "genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048", mode=0o600)
    _make(certificate, "req", "-x509", "-new", "-sha256", "-days", str(DAYS), "-key", str(key), *options, mode=0o644)


def _make(path: Path, *arguments: str, mode: int) -> None:
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        new = Path(folder) / path.name
        _openssl(*arguments, "-out", str(new))
        new.chmod(mode)
        os.replace(new, path)


def _openssl(*arguments: str, may_fail: bool = False) -> str | None:
    try:
        done = subprocess.run(["openssl", *arguments], capture_output=True, text=True, check=False, timeout=300)
    except FileNotFoundError as error:
        raise SetupError("openssl: is not installed") from error
    if done.returncode == 0:
        return done.stdout
    if may_fail:
        return None
    raise SetupError(f"openssl {arguments[0]}: {done.stderr.strip()}")


def main(arguments: Sequence[str] | None = None) -> int:
    """`python -m irods_config.tls FOLDER HOST...`"""
    parser = argparse.ArgumentParser(description="Makes an authority and a server's certificate, for tests.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("hosts", nargs="+", help="names and addresses of the server")
    given = parser.parse_args(arguments)
    try:
        files = self_signed(given.folder, given.hosts)
    except SetupError as error:
        print(error, file=sys.stderr)
        return 1
    print(files.certificate)
    return 0


if __name__ == "__main__":
    sys.exit(main())
