"""Checks that sqlglot can parse each model and write it in the SQL of other engines.

A construct that sqlglot reports as unsupported fails the check. The models are not run on those engines."""

from collections.abc import Iterable

from sqlglot.errors import SqlglotError

from zoho_pipeline.transform.project.project import Project

ELSEWHERE = ("snowflake", "bigquery", "databricks")


def unsupported(project: Project, dialects: Iterable[str] = ELSEWHERE) -> list[str]:
    """Return `model: dialect: reason` for each model (or singular test) that cannot be written in a dialect."""
    found = []
    for model in (*project.models.values(), *project.tests.values()):
        for dialect in dialects:
            try:
                model.sql(dialect)
            except (SqlglotError, ValueError) as error:  # sqlglot raises a bare ValueError for an unsupported JSON path
                found.append(f"{model.name}: {dialect}: {error}")
    return found
