"""Text of which mail headers are made: what must not stand in it, and how it becomes ASCII."""

import re
from base64 import b64encode
from email.errors import MessageError
from email.header import decode_header, make_header

CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]")  # all that some reader takes for a line's end, and NUL
SURROGATE = re.compile("[\ud800-\udfff]")  # half a character: JSON can spell it, UTF-8 cannot

MAX_WORD_BYTES = 45  # RFC 2047, section 2: of 75 characters "=?utf-8?b?" and "?=" leave 63 for base64


def encode_words(text: str) -> str:
    """Encode as RFC 2047 does, in base64 and in words that break between characters.

    Not by `email.header`: the result is part of the content hash, and must not change with Python.
    """
    chunks = [b""]
    for character in text:
        octets = character.encode()
        if len(chunks[-1]) + len(octets) > MAX_WORD_BYTES:
            chunks.append(b"")
        chunks[-1] += octets
    return " ".join(f"=?utf-8?b?{b64encode(chunk).decode()}?=" for chunk in chunks)


def decode_words(text: str) -> str | None:
    """Decode RFC 2047 words; None where one cannot be read. The result may hold characters of any kind."""
    try:
        return str(make_header(decode_header(text)))
    except (MessageError, LookupError, ValueError):  # no base64, no such charset, other bytes than it allows
        return None
