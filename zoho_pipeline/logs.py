"""Logging: to stderr, with whatever looks like a secret struck out before it is written."""

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


def redact(text: str) -> str:
    """The text with tokens, secrets, codes and passwords in URLs replaced by `***`."""
    for shape in _SECRET_SHAPES:
        text = shape.sub(lambda match: (match.group(1) if match.re.groups else "") + "***", text)
    return text


class RedactingFormatter(logging.Formatter):
    """Formats a whole record (exception text included), then redacts it: nothing is added after."""

    def format(self, record: logging.LogRecord) -> str:
        return redact(super().format(record))


def configure_logging(level: str) -> None:
    """Send the logs of this process to stderr at `level`. Libraries that log much are shown from WARNING on.

    This holds for DEBUG too: SQLAlchemy and httpx wrote nine of ten lines of a sync and hid ours.
    """
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(RedactingFormatter("%(asctime)s %(levelname)s %(name)s: %(message)s", "%Y-%m-%dT%H:%M:%S%z"))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    for name in ("httpx", "httpcore", "dlt", "alembic", "sqlalchemy", "filelock", "urllib3", "asyncio"):
        logging.getLogger(name).setLevel(logging.WARNING)
