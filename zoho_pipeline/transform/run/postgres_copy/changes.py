"""Finds the channels whose rows in the published file differ from those in the copy, mart by mart.

The copy keeps the number of rows and a hash of each mart and channel. A comparison with the published file finds every
difference, whatever came between: a copy that failed, a transform with a selection, a restored backup. Where the copy
has the publication just before the published one, only the channels that this one notes are compared, because hashing
all rows of 5,000 channels after each publication of one would cost more than the publication. DuckDB may compute
other hashes in another version. Then everything is copied once.
"""

from collections.abc import Sequence

from zoho_pipeline.transform.run.engine import quoted
from zoho_pipeline.transform.run.postgres_copy.state import Hashes, RowsOf, State
from zoho_pipeline.transform.run.published_files.catch_up import CHANGED, Note
from zoho_pipeline.warehouse.connection import Connection


class Changes:
    """The differences between the published file and the copy.

    Args:
        noted: the note of the published file, if the copy has the publication that it follows.
    """

    def __init__(self, source: Connection, state: State, noted: Note | None) -> None:
        self._source, self._state = source, state
        self._channels: list[str] | None = None
        if noted is not None:
            rows = source.fetch(f"select channel_id from published.{CHANGED}")[1]  # noqa: S608
            self._channels = sorted(str(row[0]) for row in rows)

    def of(self, mart: str, columns: Sequence[str], *, anew: bool) -> RowsOf:
        """The changes of a mart."""
        if anew:
            rows = self._hashes(mart, columns, None)
            return RowsOf(set(rows), rows, anew=True)
        now, before = self._hashes(mart, columns, self._channels), self._state.stored(mart, self._channels)
        changed = {channel for channel in now.keys() | before.keys() if now.get(channel) != before.get(channel)}
        return RowsOf(changed, {channel: found for channel, found in now.items() if channel in changed})

    def _hashes(self, mart: str, columns: Sequence[str], channels: list[str] | None) -> Hashes:
        if channels == []:
            return {}
        of = "" if channels is None else " where channel_id in (select unnest(?))"
        hashed = ", ".join(map(quoted, columns))
        sql = (
            f"select channel_id, count(*), cast(sum(hash({hashed})) as varchar) from {quoted(mart)}{of}"  # noqa: S608
            " group by channel_id"
        )
        rows = self._source.fetch(sql, () if channels is None else (channels,))[1]
        return {str(channel): (int(count), str(total)) for channel, count, total in rows}
