"""The e-mails of one record. They cost one call per record."""

from collections.abc import Iterator

from zoho_pipeline.zoho.connection.client import ZohoClient
from zoho_pipeline.zoho.errors import BadAnswer
from zoho_pipeline.zoho.read.pages import Row, module_path, record_id, rows_of

MOST_PAGES = 1_000
"""Ten thousand e-mails of one record. An answer that gives ever new indices would never end."""


def emails(client: ZohoClient, module: str, id: str) -> Iterator[Row]:
    """The e-mails of a record that the token's user may see, newest first, ten per call.

    Keys: message_id, time, sent_time, sent (true: outgoing), from, to, subject, status …
    """
    path = module_path(module, record_id(id), "Emails")
    index: str | None = None
    seen: set[str] = set()
    while True:
        answer = client.get(path, {"index": index} if index else None)
        if answer.data is None:
            return
        yield from rows_of(answer.data, "Emails", f"GET {path}")
        info = answer.data.get("info")
        info = info if isinstance(info, dict) else {}
        following = info.get("next_index")
        if not info.get("more_records", bool(following)):
            return
        if not following or str(following) in seen or len(seen) >= MOST_PAGES:
            raise BadAnswer(f"GET {path}: more e-mails follow, but the answer has no new index for them.")
        index = str(following)
        seen.add(index)
