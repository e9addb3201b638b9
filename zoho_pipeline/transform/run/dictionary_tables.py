"""The tables of dictionaries: a model selects distinct values, and Python adds what they mean."""

from zoho_pipeline.transform.dictionaries.dictionary import VALUE
from zoho_pipeline.transform.project.model import Model
from zoho_pipeline.transform.run.engine import quoted, type_in
from zoho_pipeline.warehouse.connection import Connection


def create_dictionary(connection: Connection, model: Model, place: str, select: str) -> int:
    """Create the table of a dictionary, and return the number of its rows.

    Args:
        model: names the dictionary; its yml gives the types of the columns, which are text where it gives none.
        place: `table <name>` or `temporary table <name>`.
        select: the SELECT of the model in the dialect of the connection.

    Raises:
        SqlError: the engine refused the SELECT, or a row does not fit the types.
    """
    dictionary = model.dictionary
    assert dictionary is not None, model.name
    types = {column.name: column.data_type for column in model.docs.columns}
    columns = [(name, type_in(connection.dialect, types.get(name, ""))) for name in (VALUE, *dictionary.columns)]
    connection.execute(f"create {place} ({', '.join(f'{quoted(name)} {type_}' for name, type_ in columns)})")
    count = 0
    for values in connection.texts(select):
        rows = list(dictionary.rows(values))
        if rows:
            connection.append(quoted(model.name), columns, rows)
        count += len(rows)
    return count
