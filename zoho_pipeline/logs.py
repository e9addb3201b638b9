"""Logging to stderr. Texts that look like a secret and control characters of terminals are removed before writing."""

import logging
import re
import sys

_SECRET_SHAPES = (
    # tokens and codes of Zoho: 1000.<hex>.<hex>
    re.compile(r"\b1000\.[0-9A-Za-z]{8,}(?:\.[0-9A-Za-z]{4,})?"),
    re.compile(r"(?i)(Zoho-oauthtoken\s+|Bearer\s+)[^\s'\",]+"),
    re.compile(
        r"(?i)(\b(?:client_secret|refresh_token|access_token|code|password|token)[\"']?\s*[=:]\s*[\"']?)[^\s&'\",}]+"
    ),
    re.compile(r"(?i)(\b[a-z][a-z0-9+]*://[^\s:/@]*:)[^\s@/]+(?=@)"),
)

_TERMINAL = re.compile(
    r"\x1b(?:\[[0-?]*[ -/]*[@-~]|[\]PX^_][^\x07\x1b]*(?:\x07|\x1b\\)|[ -/]*[0-~])"  # whole sequences: colours, titles
    r"|\x9b[0-?]*[ -/]*[@-~]"
    r"|[\x00-\x08\x0b-\x1f\x7f-\x9f]"  # the rest of C0 and C1, and DEL
    r"|[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]"  # marks that change the direction of text
    r"|[\ud800-\udfff]"  # half of a surrogate pair, which cannot be encoded
)
_BREAKS = re.compile(r"\r\n|[\t\n\v\f\r\x85\u2028\u2029]")


def printable(text: str, *, one_line: bool = False) -> str:
    """The text without characters that control a terminal: control characters, escape sequences, marks of direction.

    Line ends and tabs stay; with `one_line` each becomes a space. Joiners of Indic scripts are text and stay.
    """
    text = _BREAKS.sub(lambda found: found.group() if found.group() in "\n\t" and not one_line else " ", text)
    return _TERMINAL.sub("", text)


def redact(text: str) -> str:
    """The text with tokens, secrets, codes and passwords in URLs replaced by `***`."""
    for shape in _SECRET_SHAPES:
        text = shape.sub(lambda match: (match.group(1) if match.re.groups else "") + "***", text)
    return text


class RedactingFormatter(logging.Formatter):
    """Formats a whole record with its exception text, then redacts it and removes control characters."""

    def format(self, record: logging.LogRecord) -> str:
        return printable(redact(super().format(record)))


def configure_logging(level: str) -> None:
    """Send the logs of this process to stderr at `level`. Libraries that log much are shown from WARNING on.

    This holds for DEBUG too, because SQLAlchemy and httpx wrote nine of ten lines of a sync and hid ours.
    """
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(RedactingFormatter("%(asctime)s %(levelname)s %(name)s: %(message)s", "%Y-%m-%dT%H:%M:%S%z"))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    for name in (
        "httpx",
        "httpcore",
        "dlt",
        "alembic",
        "sqlalchemy",
        "filelock",
        "urllib3",
        "asyncio",
        "uvicorn",
        "mcp",
    ):
        logging.getLogger(name).setLevel(logging.WARNING)
