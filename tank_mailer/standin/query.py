"""The query protocol of AWS's older services: a form in, XML out."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import parse_qs
from uuid import uuid4
from xml.sax.saxutils import escape

from tank_mailer.standin.errors import AwsError
from tank_mailer.standin.reply import Reply

XML_TYPE: Final = "text/xml"

# Which service has an action of that name, of those that the stand-in knows.
SERVICES: Final[Mapping[str, str]] = {
    "GetSendQuota": "ses",
    "GetTopicAttributes": "sns",
    "ListSubscriptionsByTopic": "sns",
    "GetSubscriptionAttributes": "sns",
    "GetCallerIdentity": "sts",
    "ListAccessKeys": "iam",
    "SimulatePrincipalPolicy": "iam",
}
NAMESPACES: Final[Mapping[str, str]] = {
    "ses": "http://ses.amazonaws.com/doc/2010-12-01/",
    "sns": "http://sns.amazonaws.com/doc/2010-03-31/",
    "sts": "https://sts.amazonaws.com/doc/2011-06-15/",
    "iam": "https://iam.amazonaws.com/doc/2010-05-08/",
}
Xml = str


@dataclass(frozen=True, slots=True)
class Form:
    """The parameters of one call."""

    values: Mapping[str, str]

    def text(self, name: str) -> str:
        """A required one."""
        value = self.values.get(name, "")
        if not value:
            raise AwsError("ValidationError", f"The request must contain the parameter {name}.")
        return value

    def listing(self, name: str) -> list[str]:
        """`NAME.member.1` and so on."""
        found = list[str]()
        while (value := self.values.get(f"{name}.member.{len(found) + 1}")) is not None:
            found.append(value)
        return found


def read_form(body: bytes) -> Form:
    """Of a name that is there twice the first counts."""
    return Form({name: values[0] for name, values in parse_qs(body.decode("utf-8", "replace")).items()})


def element(name: str, content: object) -> Xml:
    """One element with a text in it."""
    return f"<{name}>{escape(str(content))}</{name}>"


def entries(name: str, attributes: Mapping[str, str]) -> Xml:
    """A map, as SNS writes it."""
    inner = (f"<entry>{element('key', key)}{element('value', value)}</entry>" for key, value in attributes.items())
    return f"<{name}>{''.join(inner)}</{name}>"


def members(name: str, items: list[Xml]) -> Xml:
    """A list."""
    return f"<{name}>{''.join(f'<member>{item}</member>' for item in items)}</{name}>"


def query_answer(service: str, action: str, result: Xml) -> Reply:
    """200."""
    request_id = str(uuid4())
    xml = (
        f'<{action}Response xmlns="{NAMESPACES[service]}"><{action}Result>{result}</{action}Result>'
        f"<ResponseMetadata><RequestId>{request_id}</RequestId></ResponseMetadata></{action}Response>"
    )
    return Reply(200, {"Content-Type": XML_TYPE, "x-amzn-RequestId": request_id}, xml.encode())


def query_error(service: str, error: AwsError) -> Reply:
    """Any other status."""
    request_id = str(uuid4())
    kind = "Sender" if error.status < 500 else "Receiver"  # noqa: PLR2004 -- HTTP: the server's side
    inner = element("Type", kind) + element("Code", error.name) + element("Message", error.text)
    xml = (
        f'<ErrorResponse xmlns="{NAMESPACES[service]}"><Error>{inner}</Error>'
        f"<RequestId>{request_id}</RequestId></ErrorResponse>"
    )
    return Reply(error.status, {"Content-Type": XML_TYPE, "x-amzn-RequestId": request_id}, xml.encode())
