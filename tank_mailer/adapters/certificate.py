"""Who signed a certificate: read out of its bytes, for TLS tells that of trusted ones only."""

from collections.abc import Iterator
from typing import Final

SEQUENCE, SET, OID, CONTEXT_0 = 0x30, 0x31, 0x06, 0xA0  # X.690
ORGANISATION: Final = bytes((0x55, 0x04, 0x0A))  # X.520: 2.5.4.10
COMMON_NAME: Final = bytes((0x55, 0x04, 0x03))  # X.520: 2.5.4.3
LONG_FORM: Final = 0x80
MAX_LENGTH_BYTES: Final = 3
MAX_CHARS: Final = 80


def issuer_of(der: bytes) -> str:
    """Organisation, or common name; "" for bytes that are no certificate (RFC 5280, 4.1)."""
    try:
        _, whole = next(_parts(der))
        _, signed = next(_parts(whole))
        fields = [field for field in _parts(signed) if field[0] != CONTEXT_0]  # without the version
        names = dict(_names(fields[2][1]))  # behind serial number and algorithm
    except (StopIteration, IndexError, ValueError):
        return ""
    raw = names.get(ORGANISATION) or names.get(COMMON_NAME) or b""
    return " ".join(raw.decode("utf-8", "replace").split())[:MAX_CHARS]


def _names(issuer: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Kind and text of each part of a name."""
    for _, together in _parts(issuer):
        for _, pair in _parts(together):
            (_, kind), (_, text) = list(_parts(pair))[:2]
            yield kind, text


def _parts(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Tag and content of one value after the other; raises ValueError where a length leads beyond the end."""
    at = 0
    while at < len(data):
        tag, length, at = data[at], data[at + 1], at + 2
        if length >= LONG_FORM:
            size = length - LONG_FORM
            if not 0 < size <= MAX_LENGTH_BYTES:
                raise ValueError("no length")
            length, at = int.from_bytes(data[at : at + size], "big"), at + size
        if at + length > len(data):
            raise ValueError("cut off")
        yield tag, data[at : at + length]
        at += length
