"""A batch whose entries fare differently: each has its own answer, and only what may pass is repeated."""

from typing import Any, cast

import pytest
from botocore.exceptions import ClientError

from tank_mailer.adapters.producer import Producer, Refused
from tank_mailer.core.errors import QueueError, Reason

WAITS_S = (0.5, 2.0)


class FakeClient:
    """Answers entry by entry: a word for each body, in the order of calls."""

    takes = 10  # characters in a call

    def __init__(self, **answers: list[str]) -> None:
        self.answers = {body: iter(words) for body, words in answers.items()}
        self.calls = list[list[str]]()

    async def send_message_batch(self, *, QueueUrl: str, Entries: list[dict[str, str]]) -> dict[str, Any]:  # noqa: N803
        self.calls.append([entry["MessageBody"] for entry in Entries])
        if sum(len(entry["MessageBody"]) for entry in Entries) > self.takes:
            raise ClientError({"Error": {"Code": "AWS.SimpleQueueService.BatchRequestTooLong"}}, "SendMessageBatch")
        answer: dict[str, Any] = {"ResponseMetadata": {"RequestId": "r-1"}, "Successful": [], "Failed": []}
        for entry in Entries:
            body = entry["MessageBody"]
            match next(self.answers[body]):
                case "ok":
                    answer["Successful"].append({"Id": entry["Id"], "MessageId": f"m-{body}"})
                case "silence":
                    pass
                case "ours":
                    answer["Failed"].append({"Id": entry["Id"], "Code": "InvalidMessageContents", "SenderFault": True})
                case _:
                    answer["Failed"].append({"Id": entry["Id"], "Code": "InternalError", "SenderFault": False})
        return answer


@pytest.mark.parametrize(
    ("answers", "result", "calls"),
    [
        pytest.param(["ok"], "m-b", 1, id="what-is-there-is-there"),
        pytest.param(["theirs", "ok"], "m-b", 2, id="what-fails-is-tried-again"),
        pytest.param(["silence", "theirs", "ok"], "m-b", 3, id="no-answer-is-a-failure"),
        pytest.param(
            ["ours"], Refused(Reason.BAD_FIELD, "InvalidMessageContents"), 1, id="what-sqs-never-takes-is-not-repeated"
        ),
        pytest.param(["theirs"] * 3, None, 3, id="it-ends"),
    ],
)
async def test_each_entry_has_its_own_answer(answers: list[str], result: str | Refused | None, calls: int) -> None:
    client = FakeClient(a=["ok"], b=answers)
    waited = list[float]()

    async def wait(seconds: float) -> None:
        waited.append(seconds)

    producer = Producer(url="https://x/1/jobs", client=cast("Any", client), waits_s=WAITS_S, wait=wait)
    first, second = await producer.put(["a", "b"])

    assert first == "m-a"
    if result is None:
        assert isinstance(second, QueueError)
        assert second.reason is Reason.QUEUE_UNREACHABLE
    else:
        assert second == result
    assert client.calls == [["a", "b"], *[["b"]] * (calls - 1)]
    assert waited == list(WAITS_S[: calls - 1])


async def test_a_queue_may_take_less_at_a_time() -> None:
    """Its MaximumMessageSize is the limit of a batch, too: batches are halved until they fit."""
    client = FakeClient(**{name: ["ok"] for name in ("aaaa", "bbbb", "cccc")}, toolarge12=[])
    client.takes = 9
    producer = Producer(url="https://x/1/jobs", client=cast("Any", client), waits_s=())

    results = await producer.put(["aaaa", "bbbb", "cccc", "toolarge12"])

    assert results[:3] == ["m-aaaa", "m-bbbb", "m-cccc"]
    assert isinstance(results[3], Refused)
    assert results[3].reason is Reason.TOO_LARGE
    assert client.calls == [
        ["aaaa", "bbbb", "cccc", "toolarge12"],
        ["aaaa", "bbbb"],
        ["cccc", "toolarge12"],
        ["cccc"],
        ["toolarge12"],
    ]
