"""What an operator can do about a reason for which nothing is sent."""

from collections.abc import Mapping
from typing import Final

from tank_mailer.core.errors import Reason

REMEDIES: Final[Mapping[Reason, str]] = {
    Reason.QUOTA_EXCEEDED: "the daily quota is used up: it comes back over 24 hours; ask AWS for a higher one",
    Reason.SENDING_PAUSED: "AWS or the owner paused sending: see the mail to the account's owner and the SES console",
    Reason.ACCOUNT_SUSPENDED: "open an AWS Support case",
    Reason.ACCESS_DENIED: "allow the key the action that `detail` names: see config/aws/iam-policy.json",
    Reason.BAD_CREDENTIALS: "look at AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE, and AWS_REGION",
    Reason.CLOCK_SKEW: "set this host's clock: mend its NTP",
    Reason.CONFIGURATION_SET_MISSING: "create the configuration set in this region, or mend TANK_CONFIGURATION_SET",
    Reason.CONFIGURATION_SET_PAUSED: "enable sending on the configuration set in SES",
    Reason.MAIL_FROM_DOMAIN: "mend the MX record of the sender's MAIL FROM domain",
    Reason.UNVERIFIED_SENDER: "verify the sender's identity in SES, in this region",
    Reason.SES_UNAVAILABLE: "look at the network, at proxies and AWS_ENDPOINT_URL; it goes on by itself",
    Reason.REPUTATION_BOUNCES: "find where the bad addresses come from: tank-mailer status of bounced mails, the"
    " newest list; then `tank-mailer resume --lane ordinary`, or wait",
    Reason.REPUTATION_COMPLAINTS: "find which mail people call spam and stop it; then `tank-mailer resume --lane"
    " ordinary`, or wait",
    Reason.OPERATOR: "tank-mailer resume, with the same options as the pause",
    Reason.QUEUE_SUSPECT: "look at the lane's queue URL and at `tank-mailer refused list`; if the queue is ours:"
    " tank-mailer resume --lane LANE",
    Reason.QUEUE_MISSING: "look at the lane's queue URL (TANK_OUTBOUND_QUEUE_URL, TANK_PRIORITY_QUEUE_URL) and the"
    " region in it",
    Reason.QUEUE_UNREACHABLE: "look at the network, at proxies and AWS_ENDPOINT_URL; it goes on by itself",
    Reason.STORE_SICK: "look at the disk and at TANK_DATABASE_URL; it goes on by itself",
}
