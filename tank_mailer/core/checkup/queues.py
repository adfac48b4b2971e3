"""Whether the queues of jobs keep what is put on them, for as long as it takes."""

from collections.abc import Iterator
from typing import Final

from tank_mailer.core.checkup.facts import Facts, QueueState
from tank_mailer.core.checkup.finding import Check, Finding, fault, note, ok, unseen, warning
from tank_mailer.core.checkup.seen import Absent, Denied, Known, NotAsked, Unreached, value_of
from tank_mailer.core.checkup.setup import Setup, name_of_queue
from tank_mailer.core.lanes import ORDINARY

DAY_S: Final = 86_400
MIN_RECEIVES: Final = 20  # DESIGN 5.7: every pause, drain and doubt costs some
WANTED_RECEIVES: Final = 100
OLD_MAX_BYTES: Final = 262_144  # SQS, before August 2025
MAX_BYTES: Final = 1_048_576
LONG_POLL_S: Final = 20
SHORT_RETENTION_S: Final = 4 * DAY_S  # SQS's default: a long weekend with a quota used up
SLACK: Final = 10  # messages in flight: SQS's counts are approximate, and one batch is on its way
NAMES: Final = {ORDINARY: "TANK_OUTBOUND_QUEUE_URL"}


def judge_queues(setup: Setup, facts: Facts) -> Iterator[Finding]:
    """Of both lanes, and of the queue that letters go to which nobody could deliver."""
    for lane, url in setup.lanes.items():
        variable = NAMES.get(lane, "TANK_PRIORITY_QUEUE_URL")
        name = name_of_queue(url)
        match facts.queues.get(url, NotAsked("it was not asked")):
            case Absent():
                yield fault(
                    Check.QUEUE,
                    name,
                    f"SQS knows no queue {name}",
                    f"look at {variable} and at the region and account in it",
                )
            case Known(queue):
                yield ok(Check.QUEUE, name, f"{queue.visible} messages wait, {queue.in_flight} are in work")
                yield from _lane(setup, queue, name)
                yield from _consumers(facts, queue, lane, name)
                yield from _redrive(facts, queue, name, setup)
            case Denied() | Unreached() | NotAsked() as hidden:
                yield unseen(Check.QUEUE, name, hidden)
    yield from _dead_letters(setup, facts)


def _set(name: str, attribute: str, value: object) -> str:
    return f"set {attribute} of {name} to {value}, as in config/aws/tank-mailer.yaml"


def _lane(setup: Setup, queue: QueueState, name: str) -> Iterator[Finding]:
    days = queue.retention_s / DAY_S
    if queue.retention_s < SHORT_RETENTION_S:
        yield warning(
            Check.RETENTION,
            name,
            f"SQS drops jobs after {_span(queue.retention_s)}: a pause that lasts longer loses them",
            _set(name, "MessageRetentionPeriod", 10 * DAY_S),
        )
    else:
        yield ok(Check.RETENTION, name, f"jobs are kept for {days:.0f} days")
    if queue.visibility_s < setup.visibility_s:
        yield note(
            Check.VISIBILITY,
            name,
            f"the queue's own visibility timeout is {queue.visibility_s} s; we ask for {setup.visibility_s} s",
            _set(name, "VisibilityTimeout", setup.visibility_s),
        )
    else:
        yield ok(Check.VISIBILITY, name, f"visibility timeout {queue.visibility_s} s")
    if queue.max_bytes < MAX_BYTES:
        size = "the limit of before August 2025" if queue.max_bytes == OLD_MAX_BYTES else "set by hand"
        yield note(
            Check.MESSAGE_SIZE,
            name,
            f"takes messages up to {queue.max_bytes} bytes ({size}); SQS allows {MAX_BYTES}",
            _set(name, "MaximumMessageSize", MAX_BYTES),
        )
    else:
        yield ok(Check.MESSAGE_SIZE, name, f"takes messages up to {queue.max_bytes} bytes")
    if queue.wait_s < LONG_POLL_S:
        yield note(
            Check.LONG_POLL,
            name,
            f"the queue's own long poll is {queue.wait_s} s; we ask for {LONG_POLL_S} s each time",
            _set(name, "ReceiveMessageWaitTimeSeconds", LONG_POLL_S),
        )
    else:
        yield ok(Check.LONG_POLL, name, f"long poll {queue.wait_s} s")
    if queue.delay_s:
        yield warning(
            Check.DELAY,
            name,
            f"the queue hides each new job for {queue.delay_s} s before it can be sent",
            _set(name, "DelaySeconds", 0),
        )


def _consumers(facts: Facts, queue: QueueState, lane: str, name: str) -> Iterator[Finding]:
    """Messages in flight that neither a node has in hand nor a row of ours keeps hidden are somebody else's."""
    store = value_of(facts.store)
    if store is None:
        return
    ours = store.held.get(lane, 0) + sum(node.lanes[lane].in_hand for node in store.nodes if lane in node.lanes)
    if queue.in_flight > ours + SLACK + ours // 5:
        yield warning(
            Check.CONSUMERS,
            name,
            f"{queue.in_flight} messages are in work, and tank-mailer has {ours} of them: somebody else reads this"
            " queue, and jobs may be sent there, or lost",
            f"find who else may call sqs:ReceiveMessage on {name}: an old mailer, a console, another TANK_DATABASE_URL",
        )
    else:
        yield ok(Check.CONSUMERS, name, "nobody else seems to read this queue")


def _redrive(facts: Facts, queue: QueueState, name: str, setup: Setup) -> Iterator[Finding]:
    if queue.max_receive_count is None:
        yield note(
            Check.REDRIVE,
            name,
            "no redrive policy: SQS itself puts nothing aside",
            _set(name, "RedrivePolicy", f"maxReceiveCount {WANTED_RECEIVES} and the dead-letter queue"),
        )
        return
    least = max(MIN_RECEIVES, setup.max_attempts)
    if queue.max_receive_count < least:
        yield warning(
            Check.REDRIVE,
            name,
            f"maxReceiveCount is {queue.max_receive_count}: SQS puts jobs aside that wait out pauses, with"
            f" TANK_MAX_ATTEMPTS={setup.max_attempts}; each restart and pause costs a receive",
            _set(name, "maxReceiveCount", WANTED_RECEIVES),
        )
    else:
        yield ok(Check.REDRIVE, name, f"maxReceiveCount {queue.max_receive_count}")
    dead = value_of(facts.queues.get(facts.dead_letter_url or ""))
    if dead is not None and not _lets_in(dead, queue):
        yield fault(
            Check.DEAD_LETTER_QUEUE,
            name_of_queue(dead.arn),
            f"its RedriveAllowPolicy does not let {name} put letters there",
            f"add {queue.arn} to its sourceQueueArns, or set redrivePermission to allowAll",
        )


def _lets_in(dead: QueueState, source: QueueState) -> bool:
    if source.dead_letter_arn != dead.arn:
        return True
    match dead.redrive_permission:
        case "denyAll":
            return False
        case "byQueue":
            return source.arn in dead.redrive_sources
        case _:
            return True


def _dead_letters(setup: Setup, facts: Facts) -> Iterator[Finding]:
    url = facts.dead_letter_url
    if url is None:
        if all(isinstance(facts.queues.get(lane_url), Known) for lane_url in setup.lanes.values()):
            yield warning(
                Check.DEAD_LETTER_QUEUE,
                "",
                "there is no dead-letter queue: what is given up is kept in the ledger alone",
                "set TANK_DEAD_LETTER_QUEUE_URL, or a redrive policy as in config/aws/tank-mailer.yaml",
            )
        return
    name = name_of_queue(url)
    match facts.queues.get(url, NotAsked("it was not asked")):
        case Absent():
            yield fault(
                Check.DEAD_LETTER_QUEUE,
                name,
                f"SQS knows no queue {name}: what is given up is kept in the ledger alone",
                "make it, as in config/aws/tank-mailer.yaml, or mend TANK_DEAD_LETTER_QUEUE_URL",
            )
        case Known(dead):
            yield from _dead_letter_queue(setup, facts, dead, name)
        case Denied() | Unreached() | NotAsked() as hidden:
            yield unseen(Check.DEAD_LETTER_QUEUE, name, hidden)


def _dead_letter_queue(setup: Setup, facts: Facts, dead: QueueState, name: str) -> Iterator[Finding]:
    sources = [queue for url in setup.lanes.values() if (queue := value_of(facts.queues.get(url))) is not None]
    longest_s = max((queue.retention_s for queue in sources), default=0)
    if dead.retention_s <= longest_s:
        yield warning(
            Check.RETENTION,
            name,
            f"it keeps letters for {_span(dead.retention_s)}, counted from when the job was first put on its queue,"
            f" which keeps it for {_span(longest_s)}: SQS drops letters that nobody has seen",
            _set(name, "MessageRetentionPeriod", 14 * DAY_S),
        )
    else:
        yield ok(Check.DEAD_LETTER_QUEUE, name, f"letters are kept for {_span(dead.retention_s)}")
    if dead.visible:
        yield note(
            Check.DEAD_LETTERS,
            name,
            f"{dead.visible} letters wait for a person",
            "tank-mailer dlq list, then tank-mailer dlq redrive",
        )


def _span(seconds: int) -> str:
    return f"{seconds / DAY_S:.0f} days" if seconds >= DAY_S else f"{seconds / 3600:.1f} hours"
