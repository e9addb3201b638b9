"""Seeds: CSV files with typed columns. An empty field is null."""

from zoho_pipeline.text_files import NotCsv, NotText, csv_records, decoded
from zoho_pipeline.transform.errors import ProjectError
from zoho_pipeline.transform.project.project import Seed
from zoho_pipeline.transform.run.engine import Engine, quoted, type_in
from zoho_pipeline.warehouse.connection import SqlError

_ROWS_PER_STATEMENT = 500


def load_seed(engine: Engine, seed: Seed) -> int:
    """Create the temporary table of a seed and return the number of its rows.

    Raises:
        ProjectError: the file has no header, lacks a documented column, or holds a bad row; names the line.
    """
    types = {column.name: column.data_type for column in seed.docs.columns}
    try:
        records = list(csv_records(decoded(seed.path.read_bytes()), types))
    except NotCsv as error:
        raise ProjectError(seed.path, error.line, f"is not CSV: {error}.") from error
    except NotText as error:
        raise ProjectError(seed.path, None, str(error)) from error
    header = records[0][1] if records else []
    rows = [(line, row) for line, row in records[1:] if row]
    if not header or len(set(header)) < len(header):
        raise ProjectError(seed.path, 1, "needs a header line of distinct column names.")
    if unknown := set(types) - set(header):
        raise ProjectError(seed.path, 1, f"lacks the column {min(unknown)}, which the yml documents.")
    for line, row in rows:
        if len(row) != len(header):
            raise ProjectError(seed.path, line, f"has {len(row)} fields; the header has {len(header)}.")
    named = [(name, type_in(engine.dialect, types.get(name, ""))) for name in header]
    engine.connection.execute(
        f"create temporary table {quoted(seed.name)} ({', '.join(f'{quoted(n)} {t}' for n, t in named)})"
    )
    for start in range(0, len(rows), _ROWS_PER_STATEMENT):
        _insert(engine, seed, [data_type for _, data_type in named], rows[start : start + _ROWS_PER_STATEMENT])
    return len(rows)


def _insert(engine: Engine, seed: Seed, types: list[str], rows: list[tuple[int, list[str]]]) -> None:
    one = "(" + ", ".join(f"cast(? as {data_type})" for data_type in types) + ")"
    values = [value or None for _, row in rows for value in row]
    statement = f"insert into {quoted(seed.name)} values {', '.join([one] * len(rows))}"  # noqa: S608
    try:
        with engine.guarded():
            engine.connection.execute(statement, values)
    except SqlError as error:
        if len(rows) == 1:
            raise ProjectError(seed.path, rows[0][0], f"has a value of another type: {error}") from error
        for row in rows:  # find the line
            _insert(engine, seed, types, [row])
