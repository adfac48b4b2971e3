"""What AWS bills for: chunks of 64 KB, bytes as they go over the wire."""

import pytest

from tank_mailer.core.cost import CHUNK_BYTES, chunks, data_bytes, size_of
from tests.builders import make_job


@pytest.mark.parametrize(
    ("size", "requests"),
    [
        pytest.param(0, 1, id="an-empty-long-poll-is-billed-too"),
        pytest.param(1, 1, id="a-byte-is-a-request"),
        pytest.param(CHUNK_BYTES, 1, id="64-KB-are-one"),
        pytest.param(CHUNK_BYTES + 1, 2, id="a-byte-more-is-another"),
        pytest.param(1_048_576, 16, id="a-message-of-1-MiB-is-sixteen"),
    ],
)
def test_chunks(size: int, requests: int) -> None:
    assert chunks(size) == requests


@pytest.mark.parametrize(
    ("text", "size"),
    [
        pytest.param("", 0, id="nothing"),
        pytest.param("abc", 3, id="ascii"),
        pytest.param("äöü", 6, id="umlauts-take-two-bytes"),
        pytest.param("\ud800", 1, id="half-a-character-is-replaced"),
    ],
)
def test_size_of(text: str, size: int) -> None:
    assert size_of(text) == size


def test_a_mail_brings_its_subject_texts_and_headers() -> None:
    job = make_job(subject="Hö", body="<p>x</p>", text="x", headers=(("X-Order", "4711"),))
    assert data_bytes(job) == 3 + 8 + 1 + 7 + 4
    assert data_bytes(make_job(subject="Hö", body="<p>x</p>")) == 3 + 8
