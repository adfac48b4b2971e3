"""What all reports say alike: what their figures count, and what they cannot know."""

from typing import Final

JOBS: Final = "jobs by the day on which they ended, over all nodes on this store; invalid ones by the texts put aside"
RECIPIENTS: Final = (
    "recipients of mails that SES accepted on a day, each by how far it has come until now: a figure of yesterday can"
    " still change today"
)
RATES: Final = (
    "hard bounces and complaints by AWS's arithmetic, by the day on which SES took the mail; the simulator's mail, and"
    " what SES's own lists held back, are left out"
)
TIMES: Final = "times from SES's taking a mail to its delivery, in steps of a tenth; of deliveries told within the span"

NO_EVENTS: Final = "no event queue is set (TANK_EVENT_QUEUE_URL): what became of accepted mail is not known"
OTHERS: Final = "mail that other programs send on this AWS account"
GMAIL: Final = "Gmail's complaints: it tells SES of none (see Google's Postmaster Tools)"
AWS_RATES: Final = (
    'AWS takes its rates over a "representative volume" of its own choice: the SES console may show other figures'
)
RETENTION: Final = "what is older than TANK_RETENTION_DAYS has been forgotten, and counts as nothing"
EARLY: Final = "the span is not over yet"
