"""An authority of our own, and certificates by it: for servers that speak TLS on loopback."""

import ssl
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

ORGANISATION = "Inspecting Proxy Ltd"
DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Authority:
    """Its certificate is in `file`; what it signs lies beside that."""

    file: Path
    key: ec.EllipticCurvePrivateKey
    certificate: x509.Certificate

    def server(self, host: str = "127.0.0.1", *, is_expired: bool = False) -> ssl.SSLContext:
        """What a server of that name shows."""
        key = ec.generate_private_key(ec.SECP256R1())
        ends_at = datetime.now(UTC) + (-DAY if is_expired else DAY)
        certificate = _made(host, key, self.key, issuer=self.certificate.subject, ends_at=ends_at, host=host)
        pair = self.file.with_name(f"{host}-{is_expired}.pem")
        pair.write_bytes(_pem(certificate) + _key_pem(key))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(pair)
        return context


def make_authority(folder: Path, *, organisation: str = ORGANISATION) -> Authority:
    """A new one, for a day."""
    key = ec.generate_private_key(ec.SECP256R1())
    certificate = _made("Root", key, key, organisation=organisation, ends_at=datetime.now(UTC) + DAY)
    path = folder / "authority.pem"
    path.write_bytes(_pem(certificate))
    return Authority(path, key, certificate)


def _made(
    name: str,
    key: ec.EllipticCurvePrivateKey,
    signer: ec.EllipticCurvePrivateKey,
    *,
    ends_at: datetime,
    organisation: str = "",
    issuer: x509.Name | None = None,
    host: str = "",
) -> x509.Certificate:
    parts = [x509.NameAttribute(NameOID.COMMON_NAME, name)]
    if organisation:
        parts.append(x509.NameAttribute(NameOID.ORGANIZATION_NAME, organisation))
    subject = x509.Name(parts)
    built = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer or subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(ends_at - 10 * DAY)
        .not_valid_after(ends_at)
        .add_extension(x509.BasicConstraints(ca=issuer is None, path_length=None), critical=True)
    )
    if host:
        named = x509.IPAddress(ip_address(host)) if host[0].isdigit() else x509.DNSName(host)
        built = built.add_extension(x509.SubjectAlternativeName([named]), critical=False)
    return built.sign(signer, hashes.SHA256())


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


def _key_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
