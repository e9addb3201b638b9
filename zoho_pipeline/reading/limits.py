"""The limits of a query of a person."""

from dataclasses import dataclass

SECONDS = 60.0
RAW_SECONDS = 30.0
"""A query on raw locks the warehouse file, and a load waits for it at most this long."""
ROWS = 1_000_000
ANSWER_BYTES = 256 * 2**20
"""The size of an answer as JSON. As Python objects it takes about five times as much."""
MEMORY_MB = 1024
THREADS = 2
BATCH = 500
START_SECONDS = 60.0
"""The seconds for the process to start and to open the warehouse. The time of the query begins after that."""

ONE_STATEMENT = "give one statement, such as: select * from channel_insight"
"""What a text with none or several of them is told."""


@dataclass(frozen=True)
class Limits:
    """Attributes:
    seconds: for planning, running and fetching together. On raw tables `query` refuses a longer time.
    rows: the most rows that are kept.
    answer_bytes: the largest answer, as JSON.
    memory_mb: for the engine. DuckDB has all of it; on Postgres one sort or hash table has 1/16 of it.
    threads: the threads of the engine.
    """

    seconds: float = SECONDS
    rows: int = ROWS
    answer_bytes: int = ANSWER_BYTES
    memory_mb: int = MEMORY_MB
    threads: int = THREADS

    @property
    def out_of_memory(self) -> str:
        """The message of a query that needs more memory than it may use."""
        return (
            f"the query needs more than {self.memory_mb} MB of memory. Read fewer rows or columns, or smaller values."
        )
