"""The sizes, prices and counts that bound one sync, each with its reason, in one place.

The values are the product's. A test, a benchmark or a caller passes another `SyncLimits`:
`sync_channel(…, limits=replace(SyncLimits(), job_credits=0))`.
"""

from dataclasses import dataclass, field

from zoho_pipeline.channels.database.locks import WAIT_SECONDS
from zoho_pipeline.zoho.connection.pacing import Pacing


@dataclass(frozen=True)
class SyncLimits:
    """How much a sync reads, keeps in memory, loads and repairs at once.

    Attributes of the reading:
        threads: modules that are read at the same time, without those that wait for the end of the window.
        queued_checkpoints: checkpoints that wait for the loader. With a slow warehouse the readers wait instead of
            filling memory.
        rows_per_table: records that are converted into one Arrow table at once.
        rows_per_checkpoint, bytes_per_checkpoint: a checkpoint ends when it reaches one of the two. So memory stays
            bounded for modules of any size and for long texts (real texts had up to 20 kB).
        rows_per_bulk_batch: rows of a bulk file in one checkpoint.
        most_unsettled: rows of seconds that were not over when they were read. The next sync reads them again.
            A second with more of them comes from an import, or from a clock that is frozen.
        smaller_query: rows per COQL query if an org has the older limit.

    Attributes of the loading:
        rows_per_load: rows of one load, a full row group of DuckDB. A load costs 0.4 s of CPU, whatever its size. After
            a crash, at most one load is read again.
        rows_while_waiting: with at least this many rows, a load does not wait for more while all modules wait for the
            end of their window.
        bytes_per_load: this limit is reached before `rows_per_load` if rows have 500 bytes or more. A merge takes about
            six times as much memory.

    Attributes of the choice of a route (see `routes/route_choice`), in credits and rows:
        queries_from: the number of rows from which queries are used. For fewer rows lists cost little, and they give
            the names of lookups.
        list_credits, list_rows: the price of one sorted list call (sources say 1 or 3; 3 is assumed), and its rows.
        job_credits, job_rows: the price of one Bulk Read job (50, about five polls and one download), and its rows.

    Attributes of the repair:
        most_repairs: records that are fetched by id, one hundred per call. Beyond it, reading the whole module again
            is cheaper.
        repair_rounds: readings of one repair: by bulk, by queries, by lists, and by id for the few that are left.
        most_nameless: records that are fetched by id because a query or a job gave lookups without names, and the
            warehouse has no names for them. More of them wait until their parents are read.
        most_asked: differing records that one query reads once more: the number that `in` accepts.

    Attributes of the e-mails:
        leads_per_email_checkpoint: leads whose e-mails are read before they are loaded.
        email_calls: calls at the same time.

    Attributes of the parts of records (subforms and multi-select lookups of chosen modules):
        most_single_reads: records of one module that one sync reads singly, for one credit each. The next sync goes on.
        parts_per_load: records that are read before their parts are loaded.
        single_calls: calls at the same time.

    lock_wait: seconds to wait for another sync of the channel.
    pacing: the client's retries, waits and deadlines, and the rows per query.
    """

    threads: int = 6
    queued_checkpoints: int = 3
    rows_per_table: int = 2_000
    rows_per_checkpoint: int = 10_000
    bytes_per_checkpoint: int = 16 << 20
    rows_per_bulk_batch: int = 25_000
    most_unsettled: int = 2_000
    smaller_query: int = 200
    rows_per_load: int = 122_880
    rows_while_waiting: int = 5_000
    bytes_per_load: int = 64 << 20
    queries_from: int = 1_000
    list_credits: int = 3
    list_rows: int = 200
    job_credits: int = 56
    job_rows: int = 200_000
    most_repairs: int = 5_000
    repair_rounds: int = 4
    most_nameless: int = 500
    most_asked: int = 50
    leads_per_email_checkpoint: int = 200
    email_calls: int = 4
    most_single_reads: int = 2_000
    parts_per_load: int = 500
    single_calls: int = 4
    lock_wait: float = WAIT_SECONDS
    pacing: Pacing = field(default_factory=Pacing)
