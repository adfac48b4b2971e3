"""SESv2's paths: which operation a request asks for, and what it names."""

from typing import Final

PREFIX: Final = "/v2/email/"

_ADDRESSES: Final = "suppression/addresses"
_DESTINATIONS: Final = "/event-destinations"


def operation_of(method: str, path: str) -> tuple[str, str]:
    """The operation and the name in the path (`/v2/email/identities/NAME`); both may be empty.

    Of event destinations the name is `SET/` or `SET/DESTINATION`.
    """
    collection, name = _parts(path.removeprefix(PREFIX))
    named = bool(name.partition("/")[2]) if collection.endswith(_DESTINATIONS) else bool(name)
    return ROUTES.get((method, collection, named), ""), name


def _parts(path: str) -> tuple[str, str]:
    if path == _ADDRESSES or path.startswith(f"{_ADDRESSES}/"):
        return _ADDRESSES, path[len(_ADDRESSES) + 1 :]
    collection, _, name = path.partition("/")
    if collection == "configuration-sets" and _DESTINATIONS in name:
        configuration_set, _, destination = name.partition(_DESTINATIONS)
        return f"{collection}{_DESTINATIONS}", f"{configuration_set}/{destination.removeprefix('/')}"
    return collection, name


ROUTES: Final[dict[tuple[str, str, bool], str]] = {
    ("POST", "outbound-emails", False): "SendEmail",
    ("GET", "account", False): "GetAccount",
    ("POST", "identities", False): "CreateEmailIdentity",
    ("GET", "identities", True): "GetEmailIdentity",
    ("GET", "identities", False): "ListEmailIdentities",
    ("DELETE", "identities", True): "DeleteEmailIdentity",
    ("POST", "configuration-sets", False): "CreateConfigurationSet",
    ("GET", "configuration-sets", True): "GetConfigurationSet",
    ("GET", "configuration-sets", False): "ListConfigurationSets",
    ("DELETE", "configuration-sets", True): "DeleteConfigurationSet",
    ("GET", "dedicated-ips", False): "GetDedicatedIps",
    ("POST", f"configuration-sets{_DESTINATIONS}", False): "CreateConfigurationSetEventDestination",
    ("GET", f"configuration-sets{_DESTINATIONS}", False): "GetConfigurationSetEventDestinations",
    ("PUT", f"configuration-sets{_DESTINATIONS}", True): "UpdateConfigurationSetEventDestination",
    ("DELETE", f"configuration-sets{_DESTINATIONS}", True): "DeleteConfigurationSetEventDestination",
    ("PUT", _ADDRESSES, False): "PutSuppressedDestination",
    ("GET", _ADDRESSES, True): "GetSuppressedDestination",
    ("DELETE", _ADDRESSES, True): "DeleteSuppressedDestination",
    ("GET", _ADDRESSES, False): "ListSuppressedDestinations",
}
