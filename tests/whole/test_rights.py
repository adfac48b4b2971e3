"""What the daemon really asks of AWS, as the stand-in counts it, against the policy and the reading of the code."""

from tank_mailer.standin.faults import read_rules
from tests.builders import make_body
from tests.project import rights
from tests.whole.conftest import URGENT, OpenSite

ANSWER_LOST = {"service": "ses", "operation": "SendEmail", "kind": "reset_after", "processed": True}


async def test_the_daemon_asks_for_what_the_policy_allows(open_site: OpenSite) -> None:
    """Both lanes, events, a doubt; a key that may not call GetAccount, so that the older call is seen, too."""
    async with open_site(has_events=True, has_priority=True) as site:
        site.standin.state.account.change({"get_account_denied": True})
        site.standin.state.faults.add(*read_rules([ANSWER_LOST]))
        await site.put_jobs(4)
        await site.put_jobs(1, "code", url=site.urgent_url)
        await site.put([make_body(from_=None), "gibberish"])
        daemon = await site.start()
        await site.until(lambda: site.states()["accepted"] == 5, daemon, what="mails")
        await site.until(lambda: not site.depth() + site.depth(URGENT) + site.depth("events"), daemon, what="queues")
        await daemon.stop()
        seen = rights.recorded(site.standin.state.counts.shown())

    assert seen - rights.allowed() == set()
    assert seen - {call.action for call in rights.calls()} == set()
    assert {
        *("sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:ChangeMessageVisibility", "sqs:GetQueueAttributes"),
        *("ses:SendEmail", "ses:GetAccount", "ses:GetSendQuota"),
    } <= seen
