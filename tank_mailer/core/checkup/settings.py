"""Whether what was set goes together, and with AWS."""

from collections.abc import Iterator

from tank_mailer.core.checkup.finding import Check, Finding, fault, note, ok, warning
from tank_mailer.core.checkup.setup import Setup

NO_SUCH_HOST = "ses."  # SES's host is called email.REGION.amazonaws.com (aws-facts 9)
AWS_NAMES = (".amazonaws.com", ".amazonaws.eu", ".api.aws", ".amazonaws.com.cn")


def judge_settings(setup: Setup) -> Iterator[Finding]:
    """Of everything that can be seen without asking anybody."""
    for said in setup.setting_warnings:
        yield warning(Check.SETTINGS, "", said, "tank-mailer config show tells each setting and where it comes from")
    if not setup.setting_warnings:
        yield ok(Check.SETTINGS, "", "the settings are sound")
    if setup.delivery != "live":
        yield warning(
            Check.DELIVERY,
            "TANK_DELIVERY",
            f"TANK_DELIVERY={setup.delivery}: no mail goes to the recipients of jobs",
            "TANK_DELIVERY=live sends for real",
        )
    else:
        yield ok(Check.DELIVERY, "TANK_DELIVERY", "mail is sent for real")
    yield from _regions(setup)
    yield from _endpoints(setup)
    if setup.listens_off_loopback:
        yield note(
            Check.LISTEN,
            setup.listen,
            f"TANK_HTTP_LISTEN={setup.listen} can be reached by other hosts, and speaks without TLS: the token can be"
            " read on the way",
            "put a proxy with TLS before it, or listen on 127.0.0.1",
        )
    else:
        yield ok(Check.LISTEN, setup.listen, "no other host reaches our HTTP server")


def _regions(setup: Setup) -> Iterator[Finding]:
    if setup.region is None:
        yield fault(Check.REGION, "", "no region is set, and the queue's URL names none", "set AWS_REGION")
        return
    named = {
        "TANK_OUTBOUND_QUEUE_URL": setup.queue_region,
        "TANK_PRIORITY_QUEUE_URL": setup.priority_region,
        **{arn: arn.split(":")[3] for arn in setup.topic_arns},
    }
    others = {name: region for name, region in named.items() if region not in {None, setup.region}}
    for name, region in others.items():
        if name.startswith("arn:"):
            yield fault(
                Check.REGION,
                name,
                f"the topic is in {region}, and SES is asked in {setup.region}: SES publishes within its region only",
                f"name the topic of {setup.region} in TANK_EVENT_TOPIC_ARNS, or set AWS_REGION={region}",
            )
        else:
            yield fault(
                Check.REGION,
                name,
                f"{name} is a queue in {region}, and the SDK works in {setup.region} (AWS_REGION or the profile): SQS"
                " knows a queue in its own region alone, and quota and identities of SES belong to a region each",
                f"set AWS_REGION={region}, or name a queue in {setup.region}",
            )
    if not others:
        yield ok(Check.REGION, setup.region, f"queues, topic and SES are in {setup.region}")


def _endpoints(setup: Setup) -> Iterator[Finding]:
    wrong = {name: host for name, host in setup.sdk_hosts.items() if is_wrong_ses_host(host)}
    for name, host in wrong.items():
        yield fault(
            Check.ENDPOINT,
            name,
            f"{name} names {host}, a host that does not exist: SES's is called email.{setup.region_of_ses}"
            ".amazonaws.com",
            f"take {name} out, or name https://email.{setup.region_of_ses}.amazonaws.com; open that host in the"
            " firewall, port 443",
        )
    odd = {name: host for name, host in setup.sdk_hosts.items() if name not in wrong and not is_aws_host(host)}
    for name, host in odd.items():
        yield note(Check.ENDPOINT, name, f"{name} names {host}: that is asked in place of AWS", f"take {name} out")
    if not wrong and not odd:
        yield ok(Check.ENDPOINT, "", "AWS's own endpoints are asked")


def is_wrong_ses_host(host: str) -> bool:
    """Whether it is the host that people open in firewalls and that is not there."""
    return host.startswith(NO_SUCH_HOST) and is_aws_host(host)


def is_aws_host(host: str) -> bool:
    """Whether it belongs to AWS, by its name."""
    return host.endswith(AWS_NAMES)
