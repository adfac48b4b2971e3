"""The region in a queue's URL, where AWS's own names show it."""

import pytest

from tank_mailer.core.queueurl import region_of


@pytest.mark.parametrize(
    ("url", "region"),
    [
        pytest.param("https://sqs.eu-west-1.amazonaws.com/123456789012/jobs", "eu-west-1", id="aws"),
        pytest.param("https://sqs.cn-north-1.amazonaws.com.cn/123456789012/jobs", "cn-north-1", id="china"),
        pytest.param("https://sqs-fips.us-east-1.amazonaws.com/123456789012/jobs", "us-east-1", id="fips"),
        pytest.param("https://sqs.eu-west-1.api.aws/123456789012/jobs", "eu-west-1", id="dual-stack"),
        pytest.param("https://eu-west-1.queue.amazonaws.com/123456789012/jobs", "eu-west-1", id="its-older-name"),
        pytest.param("http://127.0.0.1:4566/000000000000/jobs", None, id="a-stand-in"),
        pytest.param("http://localhost:4566/000000000000/jobs", None, id="localhost"),
        pytest.param("https://queue.example.com/jobs", None, id="somebody-elses"),
        pytest.param("jobs", None, id="only-a-name"),
        pytest.param("", None, id="nothing"),
    ],
)
def test_region_of(url: str, region: str | None) -> None:
    assert region_of(url) == region
