"""Which columns a mart's column comes from, one step back."""

from sqlglot import exp
from sqlglot.errors import SqlglotError
from sqlglot.lineage import lineage as trace

from zoho_pipeline.transform.model import SOURCE_DIALECT, Model
from zoho_pipeline.transform.project import Project

Origin = tuple[str, str]
"""(model, seed or `zoho_raw.table`; column)"""


def lineage(project: Project, model: Model) -> dict[str, tuple[Origin, ...]]:
    """Column of a model → the columns of what it reads that it derives from; () where none can be told."""
    schema = _schema(project)
    return {column: _origins(model, column, schema) for column in model.expression.named_selects if column != "*"}


def _origins(model: Model, column: str, schema: dict[str, object]) -> tuple[Origin, ...]:
    try:
        root = trace(column, model.expression.copy(), schema=schema, dialect=SOURCE_DIALECT)
    except (SqlglotError, ValueError, KeyError):
        return ()
    found: dict[Origin, None] = {}
    for node in root.walk():
        if isinstance(node.expression, exp.Table) and not node.downstream:
            table = node.expression
            found[(f"{table.db}.{table.name}" if table.db else table.name, node.name.rpartition(".")[2])] = None
    return tuple(found)


def _schema(project: Project) -> dict[str, object]:
    """What is known of the columns of every relation, so that `*` and bare names resolve."""
    known: dict[str, object] = {}
    for model in project.models.values():
        names = [n for n in model.expression.named_selects if n != "*"]
        if names:
            known[model.name] = dict.fromkeys(names, "text")
    return known
