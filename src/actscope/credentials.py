"""Removes user names, passwords and other secrets from URIs and from texts that quote URIs."""

import re
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import unquote, unquote_plus, urlsplit

HIDDEN = "***"
SHOWN = rf"\1{HIDDEN}"
ENCODE = "percent-encode the user name and password, except letters and digits (@ is %40)"
# Greedy, because a password that is not encoded may contain `/`, `?`, `#` or `@`.
USER_IN_TEXT = re.compile(r"([A-Za-z][\w+.-]*://)(?!/)\S*@")
URI_IN_TEXT = re.compile(r"[A-Za-z][\w+.-]*://[^\s'\"]+")
# A query parameter is a secret if its name contains one of these words, or is encoded.
SECRET = re.compile(
    r"([?&;#][^\s=&;?#]*(?:pass|pwd|secret|token|key|credential|auth|sig|%)[^\s=&;?#]*=)([^\s&]*)",
    re.IGNORECASE,
)


def hide(uri: str) -> str:
    """The URI without user, password, and secrets of its query.

    All messages show URIs in this form, even invalid ones.
    """
    scheme, _, rest = _split(uri)
    return f"{scheme}{SECRET.sub(SHOWN, rest.partition('#')[0])}"


def scrub(text: str, *uris: str) -> str:
    """A text, for example a library's error, without the credentials of URIs that it quotes.

    `uris`: URIs in use, whose credentials are removed everywhere in the text.
    """
    text = USER_IN_TEXT.sub(r"\1", text)
    text = SECRET.sub(SHOWN, text)
    for secret in sorted({s for uri in uris for s in find(uri)}, key=len, reverse=True):
        text = re.sub(rf"(?<!\w){re.escape(secret)}(?!\w)", HIDDEN, text)
    return text


def holds_credentials(text: str) -> bool:
    """Whether a text quotes a URI with credentials."""
    return any(find(uri) for uri in URI_IN_TEXT.findall(text))


def scrub_all(settings: Any) -> Any:
    """Settings without credentials: all texts in them are scrubbed."""
    if isinstance(settings, str):
        return scrub(settings)
    if isinstance(settings, Mapping):
        return {key: scrub_all(value) for key, value in settings.items()}
    if isinstance(settings, Sequence):
        return [scrub_all(value) for value in settings]
    return settings


def find(uri: str) -> set[str]:
    """The secrets of a URI, both as written and decoded."""
    scheme, owner, rest = _split(uri)
    user, has_password, password = owner.partition(":")
    found = {password}
    if not has_password and scheme.startswith("http"):
        found.add(user)  # a token
    found |= {value for _, value in SECRET.findall(rest)}
    meant = {decode(secret) for secret in found for decode in (unquote, unquote_plus)}
    return (found | meant) - {""}


def find_flaw(uri: str) -> str | None:
    """How to fix a server's URI that libraries may read differently; None if it is fine."""
    if not uri.isprintable() or " " in uri or "\\" in uri:
        return "percent-encode spaces, backslashes and control characters"
    try:
        parts = urlsplit(uri)
        _ = parts.port  # parsed only here
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
