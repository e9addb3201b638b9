"""The columns from which a column of a model is computed, one step back."""

from contextlib import suppress

from sqlglot import exp
from sqlglot.errors import SqlglotError
from sqlglot.lineage import Node
from sqlglot.lineage import lineage as trace
from sqlglot.schema import MappingSchema

from zoho_pipeline.transform.dictionaries.dictionary import VALUE
from zoho_pipeline.transform.project.model import SOURCE_DIALECT, Model
from zoho_pipeline.transform.project.project import Project

Origin = tuple[str, str]
"""(model, seed or `zoho_raw.table`; column)"""


def project_lineage(project: Project) -> dict[str, dict[str, tuple[Origin, ...]]]:
    """Model → column → the columns that it derives from, in what the model reads; () where none is known."""
    schema = _schema(project)
    return {name: _lineage(model, schema) for name, model in project.models.items()}


def _lineage(model: Model, schema: MappingSchema) -> dict[str, tuple[Origin, ...]]:
    """All columns at once: qualifying the SELECT again for each column took 27 s over 78 models; this takes 0.6 s."""
    roots: dict[str, Node] | Node = {}
    with suppress(SqlglotError, ValueError, KeyError):
        roots = trace(None, model.expression.copy(), schema=schema, dialect=SOURCE_DIALECT, trim_selects=False)
    assert isinstance(roots, dict)
    if model.dictionary:  # its columns are all made of the one value
        roots |= dict.fromkeys(model.dictionary.columns, roots[VALUE]) if VALUE in roots else {}
    return {column: _origins(roots[column]) if column in roots else () for column in model.selects}


def _origins(root: Node) -> tuple[Origin, ...]:
    found: dict[Origin, None] = {}
    for node in root.walk():
        if isinstance(node.expression, exp.Table) and not node.downstream:
            table = node.expression
            found[(f"{table.db}.{table.name}" if table.db else table.name, node.name.rpartition(".")[2])] = None
    return tuple(found)


def _schema(project: Project) -> MappingSchema:
    """The columns of every model, so that sqlglot resolves `*` and bare names."""
    known: dict[str, object] = {}
    for model in project.models.values():
        if model.selects:
            known[model.name] = dict.fromkeys(model.selects, "text")
    return MappingSchema(known, dialect=SOURCE_DIALECT)
