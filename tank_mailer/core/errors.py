"""Why things go wrong: a closed set of reasons, and the exceptions that carry them."""

from enum import StrEnum


class Reason(StrEnum):
    """One word for one cause: the same in error, log, metric, ledger and dead-letter attribute."""

    # A job that can never be sent as it is (the web developer's side).
    NOT_JSON = "not_json"  # the body is no JSON object
    TOO_DEEP = "too_deep"  # JSON nested beyond any use
    TOO_LARGE = "too_large"  # more than a queue or SES takes
    MISSING_FIELD = "missing_field"  # one of the five required fields is absent
    BAD_FIELD = "bad_field"  # a field has the wrong type, length or form
    BAD_ADDRESS = "bad_address"  # an address that no mail server would take
    TOO_MANY_RECIPIENTS = "too_many_recipients"  # SES: 50 in one call
    HEADER_INJECTION = "header_injection"  # CR, LF or NUL where a header is made of it
    RESERVED_NAME = "reserved_name"  # a header or tag that SES or tank-mailer sets
    UNKNOWN_CONFIGURATION_SET = "unknown_configuration_set"  # not one of the configured ones
    ID_CONFLICT = "id_conflict"  # the email_id stands for another content already

    # Ended without a mail.
    EXPIRED = "expired"  # past the job's expires_at
    SUPPRESSED = "suppressed"  # no recipient is left that may be mailed
    SENDER_NOT_ALLOWED = "sender_not_allowed"  # not in TANK_ALLOWED_SENDERS
    DRY_RUN = "dry_run"  # TANK_DELIVERY=dry_run
    DUPLICATE = "duplicate"  # accepted before under the same email_id

    # What SES refuses for good.
    REJECTED = "rejected"  # SES: MessageRejected, BadRequest
    UNVERIFIED_SENDER = "unverified_sender"  # SES: the sender's identity is not verified
    SANDBOX_RECIPIENT = "sandbox_recipient"  # SES: the account may only mail verified addresses

    # Rate, account, sender, configuration: not the job's fault.
    THROTTLED = "throttled"  # SES: send rate exceeded
    QUOTA_EXCEEDED = "quota_exceeded"  # SES: daily quota used up
    SENDING_PAUSED = "sending_paused"  # SES: paused by AWS or the owner
    ACCOUNT_SUSPENDED = "account_suspended"  # SES: banned
    ACCESS_DENIED = "access_denied"  # IAM
    BAD_CREDENTIALS = "bad_credentials"  # key, secret, token or region wrong
    CLOCK_SKEW = "clock_skew"  # the signature is too old or too new
    CONFIGURATION_SET_MISSING = "configuration_set_missing"  # SES: does not exist in this region
    CONFIGURATION_SET_PAUSED = "configuration_set_paused"  # SES: sending switched off for this set
    MAIL_FROM_DOMAIN = "mail_from_domain"  # SES: the custom MAIL FROM domain is not verified
    REPUTATION_BOUNCES = "reputation_bounces"  # too many hard bounces: stopped before AWS stops all
    REPUTATION_COMPLAINTS = "reputation_complaints"  # too many complaints: the same
    OPERATOR = "operator"  # a person said `pause`

    # The way to SES and back.
    UNREACHABLE = "unreachable"  # the connection was never made
    SERVICE_ERROR = "service_error"  # a definite answer that it did not work now
    ANSWER_LOST = "answer_lost"  # time-out, reset or close after connecting
    ANSWER_UNCLEAR = "answer_unclear"  # 200 without a MessageId, an uncoded 5xx: a proxy's page
    PROCESS_DIED = "process_died"  # an attempt was begun and never finished
    SES_UNAVAILABLE = "ses_unavailable"  # five attempts in a row came to nothing

    # This host and its surroundings.
    STORE_SICK = "store_sick"  # the ledger cannot be read or written
    QUEUE_MISSING = "queue_missing"  # SQS: no such queue
    QUEUE_UNREACHABLE = "queue_unreachable"  # SQS does not answer
    QUEUE_SUSPECT = "queue_suspect"  # many invalid jobs and never a valid one: somebody else's queue
    LEASE_LOST = "lease_lost"  # the queue message is somebody else's by now

    # Given up.
    ATTEMPTS_SPENT = "attempts_spent"  # TANK_MAX_ATTEMPTS, while others passed
    IN_DOUBT = "in_doubt"  # nothing settled the doubt
    REDRIVE_POLICY = "redrive_policy"  # SQS moved it: received more often than its queue's maxReceiveCount
    UNEXPLAINED = "unexplained"  # on the dead-letter queue without a word of why

    # What an event says of a recipient; also why an address is suppressed.
    HARD_BOUNCE = "hard_bounce"  # the mailbox or its domain does not exist, or takes nothing any more
    SOFT_BOUNCE = "soft_bounce"  # passing trouble: told to nobody's charge but counted
    SOFT_BOUNCES = "soft_bounces"  # five in a row without a delivery between
    COMPLAINT = "complaint"  # the recipient called it spam
    NOT_SPAM = "not_spam"  # the opposite of a complaint: taken out of the spam folder
    MAILBOX_FULL = "mailbox_full"
    DELIVERY_EXPIRED = "delivery_expired"  # SES has tried for hours
    MESSAGE_TOO_LARGE = "message_too_large"  # for the recipient's server
    CONTENT_BLOCKED = "content_blocked"  # the mail's content or attachment, not the address
    POLICY_BLOCKED = "policy_blocked"  # the sender's reputation, IP or authentication, not the address
    AUTO_REPLY = "auto_reply"  # out of office: the mail has arrived
    ACCOUNT_SUPPRESSED = "account_suppressed"  # on the account's (or tenant's) suppression list at SES
    GLOBALLY_SUPPRESSED = "globally_suppressed"  # on AWS's own list
    VALIDATION_SUPPRESSED = "validation_suppressed"  # SES's e-mail validation refused it
    UNSUBSCRIBED = "unsubscribed"  # a contact that opted out of a list
    VIRUS = "virus"  # SES: Reject
    RENDERING_FAILED = "rendering_failed"  # SES: the template does not fit its data
    DELAYED = "delayed"  # SES goes on trying
    STALE = "stale"  # mailed before, and nothing delivered for TANK_STALE_AFTER_DAYS

    # A message on the event queue that is no event to act on.
    FOREIGN_TOPIC = "foreign_topic"  # not in TANK_EVENT_TOPIC_ARNS
    RAW_EVENT = "raw_event"  # without SNS's envelope, and TANK_RAW_EVENTS is off
    UNKNOWN_EVENT = "unknown_event"  # a kind that this version does not know
    BAD_EVENT = "bad_event"  # an event that lacks what every event has
    BAD_SIGNATURE = "bad_signature"  # SNS: forged, stale, or by a certificate from elsewhere
    SUBSCRIPTION_REQUEST = "subscription_request"  # SNS wants a person to confirm
    UNSTORABLE = "unstorable"  # the store takes all but this one

    # How an entry of the suppression list came about.
    MANUAL = "manual"


class TankMailerError(Exception):
    """Something outside the program is wrong; `detail` says what, in a sentence without personal data."""

    def __init__(self, reason: Reason, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail


class ConfigurationError(TankMailerError):
    """Settings or surroundings contradict what is asked."""


class QueueError(TankMailerError):
    """The queue did not do what was asked of it."""


class StoreError(TankMailerError):
    """The ledger cannot be read or written."""


class StoreDamagedError(StoreError):
    """The ledger's file is there, and what is in it is no database any more; it does not mend itself."""


class UnstorableError(StoreError):
    """The ledger is well, and does not take these values."""
