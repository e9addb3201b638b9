"""How often, how long and how much the client tries: all waits, retries, deadlines and sizes of calls to Zoho.

The values are the product's. A test, a benchmark or a caller who has little time passes another `Pacing`.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Pacing:
    """Waits are in seconds.

    Attributes:
        attempts: tries of a repeatable call, the first included. Seven tries span a minute: the longest time for
            which a short 429 (ten downloads per minute) lasts.
        backoff_first, backoff_most: the wait after the first failed try, which doubles, and its upper bound.
        silence_seconds: the longest time without a byte of an answer.
        answer_seconds: the longest time that a whole answer may take. A server that sends one byte now and then
            would otherwise never time out.
        answer_bytes: the largest answer after unpacking. A page of 2,000 records with long texts has a few MB.
        file_bytes, file_seconds: the largest result of a Bulk Read job, packed and unpacked, and the longest time that
            its download may take. 200,000 records with 20 kB each have 4 GB.
        query_rows: rows per COQL query; Zoho allows 2,000.
        job_first_wait, job_growth, job_longest_wait: a Bulk Read job is polled after the first wait; each further
            wait grows by the factor, up to the longest. Each poll costs one credit, and the jobs of an org run one
            after another for about 3.5 s each.
        job_deadline: the longest time to wait for a job.
        result_waits: a job may say COMPLETED a moment before its file exists; the waits before each new request.
        throttled_wait, throttled_for: the wait between tries of a throttled download, and the time after which
            the download fails. Zoho allows ten downloads per minute to all modules and tools together.
    """

    attempts: int = 7
    backoff_first: float = 1.0
    backoff_most: float = 32.0
    silence_seconds: float = 60.0
    answer_seconds: float = 300.0
    answer_bytes: int = 64 << 20
    file_bytes: int = 4 << 30
    file_seconds: float = 3_600.0
    query_rows: int = 2_000
    job_first_wait: float = 1.0
    job_growth: float = 2.5
    job_longest_wait: float = 60.0
    job_deadline: float = 3_600.0
    result_waits: tuple[float, ...] = (1.0, 2.0, 4.0, 8.0, 15.0)
    throttled_wait: float = 10.0
    throttled_for: float = 300.0

    def backoff(self, attempt: int, jitter: float) -> float:
        """The wait after a failed try. `attempt` counts from 1; `jitter` is in [0, 1)."""
        doubled: float = self.backoff_first * 2.0 ** (attempt - 1)
        return min(self.backoff_most, doubled) * (0.5 + jitter / 2)


WHILE_A_PERSON_WAITS = Pacing(attempts=3, answer_seconds=30.0)
"""For a consent or a verification: a person, or a thread of the web server, waits for the end of it."""
