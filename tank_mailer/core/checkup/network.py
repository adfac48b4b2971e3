"""How far the way leads to every host that is in use, and whether this host's clock is right."""

from collections.abc import Iterator

from tank_mailer.core.checkup.facts import Distrust, Facts, Probe, Stage
from tank_mailer.core.checkup.finding import Check, Finding, fault, note, ok, warning
from tank_mailer.core.checkup.setup import Setup

SKEW_WARN_S = 60.0  # ours
SKEW_REFUSED_S = 300.0  # AWS: signatures that are five minutes off are refused (aws-facts 0)
AMAZON = ("amazon", "starfield", "digicert")  # who signs AWS's certificates
CHECKS = {
    Stage.PROXY: Check.PROXY,
    Stage.NAME: Check.NAME,
    Stage.CONNECT: Check.CONNECT,
    Stage.BUNDLE: Check.CA_BUNDLE,
    Stage.TLS: Check.TLS,
}


def judge_network(setup: Setup, facts: Facts) -> Iterator[Finding]:
    """Each way ends at one stage: one finding for it."""
    yield from _clock(facts.skew_s)
    for probe in facts.probes:
        if probe.failed is None:
            yield from _through(probe)
        else:
            what, remedy = _broken(probe, probe.failed, setup)
            yield fault(CHECKS[probe.failed], probe.place, what, remedy)


def _clock(skew_s: float | None) -> Iterator[Finding]:
    if skew_s is None:
        return  # whoever did not answer is told of elsewhere
    said = f"this host's clock is {abs(skew_s):.0f} s {'ahead of' if skew_s > 0 else 'behind'} AWS's"
    remedy = "mend this host's NTP: AWS refuses signatures that are five minutes off"
    if abs(skew_s) >= SKEW_REFUSED_S:
        yield fault(Check.CLOCK, "", f"{said}: every call to AWS is refused", remedy)
    elif abs(skew_s) >= SKEW_WARN_S:
        yield warning(Check.CLOCK, "", said, remedy)
    else:
        yield ok(Check.CLOCK, "", "this host's clock agrees with AWS's")


def _through(probe: Probe) -> Iterator[Finding]:
    way = f" through the proxy {probe.proxy}" if probe.proxy else ""
    if probe.is_aws and probe.issuer and not _is_amazons(probe.issuer):
        yield note(
            Check.TLS,
            probe.place,
            f"{probe.use}: reached{way}; TLS is opened on the way: the certificate is by {probe.issuer}, whom"
            " this host trusts",
            "let the proxy pass this host through unopened, if you can: mails and keys are readable there",
        )
    else:
        yield ok(Check.CONNECT, probe.place, f"{probe.use}: reached{way}")


def _broken(probe: Probe, stage: Stage, setup: Setup) -> tuple[str, str]:
    """What is wrong, and its remedy."""
    said = f"{probe.use}: {probe.host}"
    match stage:
        case Stage.PROXY:
            return (
                f"{said} is not reached: the proxy {probe.proxy} {probe.why}",
                f"look at HTTPS_PROXY, and let the proxy CONNECT to {probe.place}; NO_PROXY names what needs none",
            )
        case Stage.NAME:
            return f"{said} has no address: {probe.why}", _name_remedy(probe, setup)
        case Stage.CONNECT:
            return (
                f"{said} does not take a connection on port {probe.port}: {probe.why}",
                f"open {probe.place}, TCP, outbound, in the firewall{_not_ses(probe, setup)}; or set HTTPS_PROXY",
            )
        case Stage.BUNDLE:
            return (
                f"{said}: the file of AWS_CA_BUNDLE cannot be used: {probe.why}",
                "let AWS_CA_BUNDLE name a readable PEM file of authorities, or take it out",
            )
        case Stage.TLS:
            return _distrusted(probe, said)


def _name_remedy(probe: Probe, setup: Setup) -> str:
    if probe.is_aws:
        return (
            f"look at this host's resolver (/etc/resolv.conf) and at the region, {setup.region_of_ses}"
            f"{_not_ses(probe, setup)}"
        )
    return "look at the host in the URL, and at this host's resolver (/etc/resolv.conf)"


def _not_ses(probe: Probe, setup: Setup) -> str:
    if not probe.host.startswith("email."):
        return ""
    return f" (not ses.{setup.region_of_ses}.amazonaws.com, which does not exist)"


def _distrusted(probe: Probe, said: str) -> tuple[str, str]:
    by = f" by {probe.issuer}" if probe.issuer else ""
    match probe.distrust:
        case Distrust.TIME:
            return (
                f"{said}: its certificate{by} is not valid at this host's time",
                "set this host's clock; if it is right, whoever owns the certificate has to renew it",
            )
        case Distrust.NAME:
            return (
                f"{said}: its certificate{by} is for another host",
                "look at the host's address: a portal, a proxy or a wrong DNS record answers in its place",
            )
        case Distrust.ISSUER if probe.is_aws and not _is_amazons(probe.issuer):
            return (
                f"{said}: a proxy on the way opens TLS: the certificate is{by or ' by nobody known'}, not Amazon's",
                "let AWS_CA_BUNDLE name a PEM file with that proxy's authority, or have this host passed through",
            )
        case Distrust.ISSUER:
            bundle = "AWS_CA_BUNDLE: take it out, or add Amazon's" if probe.is_aws else "SSL_CERT_FILE"
            return (
                f"{said}: nobody here trusts its certificate{by}",
                f"look at the system's authorities (package ca-certificates) and at {bundle}",
            )
        case Distrust.NO_TLS | None:
            return (
                f"{said}: no TLS on port {probe.port}: {probe.why}",
                "look at proxies and firewalls on the way: something else answers, or cuts the connection",
            )


def _is_amazons(issuer: str) -> bool:
    return any(name in issuer.lower() for name in AMAZON)
