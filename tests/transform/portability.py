"""Would the models run elsewhere? Each must parse and be written in other engines' SQL without a
construct sqlglot calls unsupported there. That is all this says: no such engine is asked."""

from collections.abc import Iterable

from sqlglot.errors import SqlglotError

from zoho_pipeline.transform.project.project import Project

ELSEWHERE = ("snowflake", "bigquery", "databricks")


def unsupported(project: Project, dialects: Iterable[str] = ELSEWHERE) -> list[str]:
    """`model: dialect: reason` for each model (singular tests included) that cannot be written there."""
    found = []
    for model in (*project.models.values(), *project.tests.values()):
        for dialect in dialects:
            try:
                model.sql(dialect)
            except (SqlglotError, ValueError) as error:  # an unsupported JSON path is a bare ValueError
                found.append(f"{model.name}: {dialect}: {error}")
    return found
