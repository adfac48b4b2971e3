"""`tank-mailer standin`: a local SQS and SES alone, for web developers."""

import asyncio
import json
import signal
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Final, NoReturn

import typer
from rich.text import Text

from tank_mailer.cli.options import AsJson, errors, printable

if TYPE_CHECKING:
    from tank_mailer.standin import FateRule, Standin, StandinOptions

EXIT_USAGE: Final = 2
EXIT_OUTSIDE: Final = 75  # sysexits.h: EX_TEMPFAIL
OUTBOUND: Final = "tank-outbound"
PRIORITY: Final = "tank-priority"
DEAD_LETTER: Final = "tank-dead-letter"
EVENTS: Final = "tank-events"
TOPIC: Final = "tank-events"
MAX_RECEIVE_COUNT: Final = 100  # DESIGN 5.7
# What else config/aws/tank-mailer.yaml says of its queues; tests hold both together.
OF_JOBS: Final = {
    "VisibilityTimeout": "60",
    "MessageRetentionPeriod": "864000",
    "ReceiveMessageWaitTimeSeconds": "20",
}
OF_DEAD_LETTERS: Final = {"MessageRetentionPeriod": "1209600"}
OF_EVENTS: Final = {**OF_JOBS, **OF_DEAD_LETTERS}
SANDBOX_RATE, SANDBOX_QUOTA = 1.0, 200.0  # SES: what a new account may send
STOP_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

Identities = Annotated[list[str], typer.Option("--identity", metavar="NAME", help="Verified address or domain.")]
RuleTexts = Annotated[
    list[str],
    typer.Option(
        "--fate",
        metavar="MATCH=FATE",
        help="What becomes of mail to an address or pattern: '*@example.org=bounce'. Fates: success, bounce, ooto, "
        "complaint, suppressionlist, accountlist, softbounce, delay, reject, rendering, open, click, silence. "
        "May be given again.",
    ),
]


def standin(
    host: Annotated[str, typer.Option(help="A loopback address: nobody's signature is checked.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65_535, help="0: a free one.")] = 4566,
    rate: Annotated[
        float | None, typer.Option(min=0.01, help="Recipients per second; 14, in the sandbox 1.", show_default=False)
    ] = None,
    daily_quota: Annotated[
        float | None,
        typer.Option(min=-1, help="Recipients in 24 hours; 50000, in the sandbox 200; -1: any.", show_default=False),
    ] = None,
    *,
    sandbox: Annotated[bool, typer.Option("--sandbox", help="Only verified recipients, as in a new account.")] = False,
    identity: Identities = ["example.com"],  # noqa: B006 - typer copies it
    configuration_set: Annotated[list[str], typer.Option(metavar="NAME", help="May be given again.")] = ["tank"],  # noqa: B006
    queue: Annotated[list[str], typer.Option(metavar="NAME", help="May be given again.")] = [OUTBOUND],  # noqa: B006
    priority_queue: Annotated[
        str, typer.Option(metavar="NAME", help="For jobs that go first: codes, alarms; '': none.")
    ] = PRIORITY,
    dead_letter_queue: Annotated[
        str, typer.Option(metavar="NAME", help=f"Redrive queue of all others, after {MAX_RECEIVE_COUNT}; '': none.")
    ] = DEAD_LETTER,
    event_queue: Annotated[
        str, typer.Option(metavar="NAME", help="Gets the events of the first configuration set; '': none.")
    ] = EVENTS,
    event_topic: Annotated[str, typer.Option(metavar="NAME", help="SNS topic in between.")] = TOPIC,
    raw_events: Annotated[bool, typer.Option("--raw-events", help="Events without the envelope of SNS.")] = False,
    fate: RuleTexts = [],  # noqa: B006 - as above
    region: Annotated[str, typer.Option(metavar="REGION", help="The region in its ARNs.")] = "eu-west-1",
    as_json: AsJson = False,
) -> None:
    """Run a local SQS and SES that throttles, refuses and reports as AWS does.

    Mail to bounce@, complaint@ and others at simulator.amazonses.com comes back
    as events; with --fate so does mail to any address.

    It goes on until Ctrl-C or SIGTERM. Everything is in memory, and gone when it
    stops. No AWS account is touched.

    Exit codes: 0 stopped as asked, 2 usage, 75 the port cannot be used.

    Example: tank-mailer standin --identity shop.example --rate 5 --fate '*@dead.example=bounce'
    """
    from tank_mailer.standin import AccountSettings, Shape, StandinOptions, serve  # noqa: PLC0415 - other commands start faster
    from tank_mailer.standin.errors import AwsError  # noqa: PLC0415

    if daily_quota is not None and daily_quota <= 0 and daily_quota != -1:
        refuse(f"--daily-quota {daily_quota:g}: above 0, or -1 for none", EXIT_USAGE)
    if priority_queue and priority_queue in {*queue, dead_letter_queue, event_queue}:
        refuse(f"--priority-queue {priority_queue}: it needs a queue of its own", EXIT_USAGE)
    jobs = [*queue, *filter(None, [priority_queue])]
    account = AccountSettings(
        max_send_rate=rate or (SANDBOX_RATE if sandbox else AccountSettings().max_send_rate),
        max_24_hour_send=daily_quota or (SANDBOX_QUOTA if sandbox else AccountSettings().max_24_hour_send),
        production_access=not sandbox,
    )
    try:
        options = StandinOptions(
            host=host,
            port=port,
            region=region,
            account=account,
            identities=tuple(dict.fromkeys(identity)),
            configuration_sets=tuple(dict.fromkeys(configuration_set)),
            queues=tuple(dict.fromkeys([*filter(None, [dead_letter_queue]), *jobs])),
            event_queue=event_queue,
            event_topic=event_topic,
            event_shape=Shape.RAW if raw_events else Shape.SNS,
            event_rules=tuple(fate_rule(text) for text in fate),
        )
    except ValueError as error:
        refuse(str(error), EXIT_USAGE)

    def tell(running: "Standin") -> None:
        furnish(
            running,
            [name for name in jobs if name != dead_letter_queue],
            dead_letters=dead_letter_queue,
            events=event_queue,
        )
        _tell(running, options, queue, priority_queue, as_json=as_json)

    async def until_stopped() -> None:
        stop = asyncio.Event()
        for number in STOP_SIGNALS:
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
        await serve(options, on_start=tell, stop=stop)

    try:
        asyncio.run(until_stopped())
    except OSError as error:
        refuse(no_port(error), EXIT_OUTSIDE)
    except AwsError as error:
        refuse(error.text, EXIT_USAGE)


def refuse(text: str, code: int) -> NoReturn:
    """Leave with one line."""
    errors().print(Text(printable(text), style="bold red"))
    raise typer.Exit(code)


def no_port(error: OSError) -> str:
    """What to do when the stand-in cannot listen."""
    return f"{error.strerror or error}; another --port, or --port 0 for a free one"


def furnish(running: "Standin", jobs: Sequence[str], *, dead_letters: str, events: str) -> None:
    """Give the queues, which are there, the attributes that those of the template have; "": there is none."""
    queues = running.state.queues
    of_jobs = dict(OF_JOBS)
    if dead_letters:
        policy = {"deadLetterTargetArn": queues.named(dead_letters).queue.arn, "maxReceiveCount": MAX_RECEIVE_COUNT}
        of_jobs["RedrivePolicy"] = json.dumps(policy)
        queues.change(queues.named(dead_letters), {**OF_DEAD_LETTERS})
    for name in jobs:
        queues.change(queues.named(name), {**of_jobs})
    if events:
        queues.change(queues.named(events), {**OF_EVENTS})


def queue_url(running: "Standin", name: str) -> str:
    """Where a queue of the stand-in is."""
    return f"{running.url}/{running.state.options.account_id}/{name}"


def sdk_environment(running: "Standin") -> dict[str, str]:
    """What makes an AWS SDK or the AWS CLI talk to the stand-in."""
    region = running.state.options.region
    return {
        "AWS_ENDPOINT_URL": running.url,
        "AWS_ACCESS_KEY_ID": "standin",
        "AWS_SECRET_ACCESS_KEY": "standin",  # made up: no signature is checked
        "AWS_REGION": region,
        "AWS_DEFAULT_REGION": region,
    }


def fate_rule(text: str) -> "FateRule":
    """Read `MATCH=FATE`; raise `ValueError` where that is none."""
    from tank_mailer.standin.errors import AwsError  # noqa: PLC0415
    from tank_mailer.standin.fates import read_fate_rules  # noqa: PLC0415 - start faster without

    match, _, fate = text.rpartition("=")
    try:
        [rule] = read_fate_rules([{"match": match, "fate": fate}])
    except AwsError as error:
        raise ValueError(f"--fate {text}: {error.text.partition(': ')[2]}; as in '*@example.org=bounce'") from None
    return rule


def event_environment(running: "Standin") -> dict[str, str]:
    """What makes tank-mailer send through the configuration set and read its events; empty without an event queue."""
    state = running.state
    options = state.options
    if not options.event_queue or not options.configuration_sets:
        return {}
    raw = {"TANK_RAW_EVENTS": "true"} if options.event_shape == "raw" else {}
    return {
        "TANK_CONFIGURATION_SET": options.configuration_sets[0],
        "TANK_EVENT_QUEUE_URL": queue_url(running, options.event_queue),
        "TANK_EVENT_TOPIC_ARNS": state.events.topic_arn,
        **raw,
    }


def exports(environment: Mapping[str, str]) -> str:
    """Lines for a shell. A profile or a token of its owner's would go before the made-up keys."""
    return "\n".join(["unset AWS_PROFILE AWS_SESSION_TOKEN", *(f"export {n}={v}" for n, v in environment.items())])


PRODUCERS: Final = """\
export JOB='{"email_id": "try-1", "from": "Shop <shop@example.com>",
"to": "you@example.org", "subject": "Hello", "body": "<p>Hello!</p>"}'

# AWS CLI
aws --endpoint-url "$AWS_ENDPOINT_URL" sqs send-message --queue-url "$TANK_OUTBOUND_QUEUE_URL" \\
    --message-body "$JOB"

# Python: pip install boto3
python3 -c 'import boto3, os
boto3.client("sqs").send_message(
    QueueUrl=os.environ["TANK_OUTBOUND_QUEUE_URL"],
    MessageBody=os.environ["JOB"])'

# Node: npm install @aws-sdk/client-sqs
node -e 'const {SQSClient, SendMessageCommand} = require("@aws-sdk/client-sqs");
new SQSClient().send(new SendMessageCommand({
    QueueUrl: process.env.TANK_OUTBOUND_QUEUE_URL,
    MessageBody: process.env.JOB}))'
"""


def observers(url: str) -> str:
    """Where the stand-in can be looked at."""
    return "\n".join([
        f"curl {url}/_standin/log        # accepted mails",
        f"curl {url}/_standin/events     # what was reported; PUT changes how",
        f"curl {url}/_standin/counts     # calls, answers, throttles",
        f"curl {url}/_standin/           # all that can be seen and set",
    ])  # fmt: skip


def _tell(
    running: "Standin", options: "StandinOptions", queues: Sequence[str], priority: str, *, as_json: bool
) -> None:
    environment = sdk_environment(running)
    if queues:
        environment["TANK_OUTBOUND_QUEUE_URL"] = queue_url(running, queues[0])
    if priority:
        environment["TANK_PRIORITY_QUEUE_URL"] = queue_url(running, priority)
    environment |= event_environment(running)
    if as_json:
        urls = {name: queue_url(running, name) for name in filter(None, [*options.queues, options.event_queue])}
        typer.echo(json.dumps({"url": running.url, "environment": environment, "queues": urls}))
        return
    account = options.account
    quota = f"{account.max_24_hour_send:g} in 24 hours" if account.max_24_hour_send > 0 else "any number in 24 hours"
    shown = {
        "account": f"{account.max_send_rate:g} recipients a second, {quota}"
        + ("" if account.production_access else "; sandbox: to verified recipients only"),
        "verified": ", ".join(options.identities),
        "sets": ", ".join(options.configuration_sets),
        "queues": ", ".join(queues),
    }
    if priority:
        shown["first"] = f"{priority}: its jobs go before all others"
    if options.event_queue:
        shown["events"] = f"{options.event_topic}, {options.event_queue}"
    if dead_letters := [name for name in options.queues if name not in {*queues, priority}]:
        shown["redrive"] = f"after {MAX_RECEIVE_COUNT} receives, to {dead_letters[0]}"
    facts = "\n".join(f"  {name:<9} {printable(text)}" for name, text in shown.items())
    typer.echo(
        f"A local SQS and SES at {running.url}. Ctrl-C stops it; it keeps nothing.\n\n{facts}\n\n"
        f"# For producers, and for tank-mailer itself (tank-mailer run):\n{exports(environment)}\n\n"
        f"# A job; each email needs an email_id of its own:\n{PRODUCERS}\n# What came of it:\n{observers(running.url)}"
    )
