"""User names and passwords in URIs: what of a URI may be shown, and texts that quote one."""

import re
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import unquote, unquote_plus, urlsplit

HIDDEN = "***"
SHOWN = rf"\1{HIDDEN}"
ENCODE = "percent-encode a user's name and password, all but letters and digits (@ is %40)"
# Greedy: a password that was not encoded may itself hold `/`, `?`, `#` or `@`.
USER_IN_TEXT = re.compile(r"([A-Za-z][\w+.-]*://)(?!/)\S*@")
URI_IN_TEXT = re.compile(r"[A-Za-z][\w+.-]*://[^\s'\"]+")
# A setting of a query is a secret where its name holds one of these, or is encoded.
SECRET = re.compile(
    r"([?&;#][^\s=&;?#]*(?:pass|pwd|secret|token|key|credential|auth|sig|%)[^\s=&;?#]*=)([^\s&]*)",
    re.IGNORECASE,
)


def hide(uri: str) -> str:
    """The URI without user and password, and without the secrets of its query.

    It is shown by this in every place, also where it is not one that could be used.
    """
    scheme, _, rest = _split(uri)
    return f"{scheme}{SECRET.sub(SHOWN, rest.partition('#')[0])}"


def scrub(text: str, *uris: str) -> str:
    """A text, as of a library's error, without the credentials of URIs that it quotes.

    `uris`: those in use, whose credentials are taken out of it wherever they stand.
    """
    text = USER_IN_TEXT.sub(r"\1", text)
    text = SECRET.sub(SHOWN, text)
    for secret in sorted({s for uri in uris for s in find(uri)}, key=len, reverse=True):
        text = re.sub(rf"(?<!\w){re.escape(secret)}(?!\w)", HIDDEN, text)
    return text


def holds_credentials(text: str) -> bool:
    """Whether a text quotes a URI with its credentials."""
    return any(find(uri) for uri in URI_IN_TEXT.findall(text))


def scrub_all(settings: Any) -> Any:
    """Settings as a file may hold them: every text in them is scrubbed."""
    if isinstance(settings, str):
        return scrub(settings)
    if isinstance(settings, Mapping):
        return {key: scrub_all(value) for key, value in settings.items()}
    if isinstance(settings, Sequence):
        return [scrub_all(value) for value in settings]
    return settings


def find(uri: str) -> set[str]:
    """The secrets of a URI, as they are written in it and as they are meant."""
    scheme, owner, rest = _split(uri)
    user, has_password, password = owner.partition(":")
    found = {password}
    if not has_password and scheme.startswith("http"):
        found.add(user)  # a token
    found |= {value for _, value in SECRET.findall(rest)}
    meant = {decode(secret) for secret in found for decode in (unquote, unquote_plus)}
    return (found | meant) - {""}


def find_flaw(uri: str) -> str | None:
    """What has a server's URI read in two ways, by us and by a library, in words."""
    if not uri.isprintable() or " " in uri or "\\" in uri:
        return "percent-encode spaces, backslashes and control characters"
    try:
        parts = urlsplit(uri)
        _ = parts.port  # which is read only here
    except ValueError:
        return ENCODE if "@" in uri else "correct its host or port"
    is_clear = uri.count("@") == parts.netloc.count("@") < 2
    return None if is_clear else ENCODE


def _split(uri: str) -> tuple[str, str, str]:
    """A URI's scheme with `://`, if it has one, its user with the password, and the rest."""
    scheme, separator, rest = uri.partition("://")
    if not separator:
        scheme, rest = "", uri
    if rest.startswith("/"):  # a file, or a database behind a Unix socket
        return f"{scheme}{separator}", "", rest
    user, _, rest = rest.rpartition("@")
    return f"{scheme}{separator}", user, rest
