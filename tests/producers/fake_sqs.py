"""An SQS that takes batches in part, as the real one may: asked by real clients of any language, on loopback."""

import hashlib
import json
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from typing_extensions import override

NEVER = "never"  # SenderFault
ALWAYS = "always"  # InternalError, however often
ONCE = "once"  # InternalError, and taken the second time
SILENT = "silent"  # stands in neither list, and is taken the second time


def job_of(body: str) -> dict[str, Any]:
    """SQS takes any text; what is no object is an empty one here."""
    try:
        job = json.loads(body)
    except ValueError:
        return {}
    return job if isinstance(job, dict) else {}


def name_of(body: str) -> str:
    return str(job_of(body).get("email_id", ""))


@dataclass(eq=False)
class FakeSqs:
    """One queue. An `email_id` that begins with one of the words above fares so, all others are taken."""

    url: str = ""
    calls: list[list[str]] = field(default_factory=list)  # the bodies of each
    taken: list[dict[str, Any]] = field(default_factory=list)
    _asked: Counter[str] = field(default_factory=Counter)

    def answer(self, request: dict[str, Any]) -> dict[str, Any]:
        """As SendMessageBatch; either list may be absent."""
        self.calls.append([entry["MessageBody"] for entry in request["Entries"]])
        answer: dict[str, list[dict[str, Any]]] = {}
        for entry in request["Entries"]:
            body = entry["MessageBody"]
            name = name_of(body)
            self._asked[name] += 1
            match name.partition("-")[0], self._asked[name]:
                case (word, _) if word == NEVER:
                    failed = self._failed(entry["Id"], "InvalidMessageContents", is_senders=True)
                    answer.setdefault("Failed", []).append(failed)
                case (word, n) if word == ALWAYS or (word == ONCE and n == 1):
                    answer.setdefault("Failed", []).append(self._failed(entry["Id"], "InternalError", is_senders=False))
                case (word, 1) if word == SILENT:
                    pass
                case _:
                    self.taken.append(job_of(body))
                    digest = hashlib.md5(body.encode(), usedforsecurity=False).hexdigest()
                    answer.setdefault("Successful", []).append(
                        {"Id": entry["Id"], "MessageId": f"m-{len(self.taken)}", "MD5OfMessageBody": digest}
                    )
        return answer

    @staticmethod
    def _failed(entry_id: str, code: str, *, is_senders: bool) -> dict[str, Any]:
        return {"Id": entry_id, "SenderFault": is_senders, "Code": code, "Message": "for the test"}


@contextmanager
def run_fake_sqs() -> Iterator[FakeSqs]:
    """Serve until the block ends."""
    fake = FakeSqs()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            body = json.dumps(fake.answer(asked)).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/x-amz-json-1.0")
            self.send_header("x-amzn-RequestId", f"r-{len(fake.calls)}")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        @override
        def log_message(self, format: str, *args: object) -> None:
            """Nothing of it belongs into the test's output."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    fake.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield fake
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
