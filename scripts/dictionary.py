"""Writes docs/dictionary.md from the yml of the marts: every table, view and column with type, unit, null and key.

Run it with `make dictionary` after a change of a mart. A test compares the page with the yml.
"""

import re
from pathlib import Path

from zoho_pipeline.transform.project.docs import DocumentedColumn
from zoho_pipeline.transform.project.model import Model
from zoho_pipeline.transform.project.project import Project

PAGE = Path(__file__).parents[1] / "docs" / "dictionary.md"
HEAD = """# The columns of every mart

`make dictionary` writes this page from the yml beside the models, and a test compares the two: change the yml, and not
this page. The same descriptions are the comments of the tables, views and columns in the database.
[tables.md](tables.md) says how the tables belong together, and [metrics.md](metrics.md) computes each number by hand.

Types are those of DuckDB. *key* marks the columns of the primary key. *never* means that a value is always there.
"""
UNITS = (
    (r"text|boolean", r".*", ""),
    (r"timestamp", r".*_local", "local time"),
    (r"timestamp", r".*", "UTC"),
    (r"date", r".*", "local day"),
    (r".*", r".*_seconds(_.*)?", "seconds"),
    (r"decimal.*", r"(.*_)?hours(_.*)?", "hours"),
    (r"decimal\(18,10\)", r".*", "sum of credits"),
    (r"decimal\(20,4\)", r"amount_home", "home currency"),
    (r"decimal\(20,4\)", r".*", "`currency`"),
    (r"double", r"leads_change_rate", "ratio"),
    (r"double|decimal.*", r".*_rate(_30d.*)?|(.*_)?ci_(low|high)|p_value|match_confidence|credit", "0 to 1"),
    (r"double", r"lift|trend_dispersion", "ratio"),
    (r".*", r"probability", "per cent"),
    (r".*", r"days_.*", "days of 86,400 s"),
    (r"bigint|integer", r".*(_rank|_seq)", "place"),
    (r"bigint|integer", r".*", "count"),
)
"""(type, name, unit): the first line whose two patterns fit a column gives its unit."""


def page() -> str:
    """The page as text. LookupError names a column whose unit or meaning of null is missing."""
    marts = Project.load().marts
    tables = sorted(name for name, model in marts.items() if not model.is_view)
    views = sorted(marts.keys() - set(tables))
    listed = [f"**{title}** " + " · ".join(f"[{name}](#{name})" for name in names) + "\n"
              for title, names in (("Tables:", tables), ("Views:", views))]  # fmt: skip
    return "\n".join([HEAD, *listed, *(_section(marts[name], marts) for name in (*tables, *views))])


def _section(model: Model, marts: dict[str, Model]) -> str:
    never = {
        name
        for m in _described(model, marts)
        for check in m.docs.checks
        if check.kind == "not_null"
        for name in check.columns
    }
    key = model.docs.primary_key
    lines = [f"## {model.name}", "", _cell(model.description), "",
             "| column | type | unit | key | null | description |", "|---|---|---|---|---|---|"]  # fmt: skip
    for column in model.docs.columns:
        null = "never" if column.name in (*key, *never) else _null(model, column)
        about = " ".join(part for part in _sentences(column.description) if not _is_about_null(part)) or "See *null*."
        cells = (f"`{column.name}`", column.data_type, unit(model.name, column), "key" if column.name in key else "",
                 null, about)  # fmt: skip
        lines.append(f"| {' | '.join(_cell(cell) for cell in cells)} |")
    return "\n".join([*lines, ""])


def _described(model: Model, marts: dict[str, Model]) -> list[Model]:
    """The mart and, if it is a view, the marts that it reads, whose checks are also its own."""
    read = [marts[name] for name in model.depends_on] if model.is_view else []
    return [model, *(found for m in read for found in _described(m, marts))]


def unit(model: str, column: DocumentedColumn) -> str:
    """What the number or time of a column is measured in. LookupError: no rule says it."""
    for kind, name, words in UNITS:
        if re.fullmatch(kind, column.data_type) and re.fullmatch(name, column.name):
            return words
    raise LookupError(f"{model}.{column.name}: UNITS in scripts/dictionary.py has no line for this column.")


def _null(model: Model, column: DocumentedColumn) -> str:
    found = [part for part in _sentences(column.description) if _is_about_null(part)]
    if not found:
        raise LookupError(f"{model.name}.{column.name}: the yml does not say what null means.")
    return " ".join(re.sub(r"^It is null |^It is (?=never null)", "", part) for part in found)


def _sentences(text: str) -> list[str]:
    return re.split(r"(?<=[.!?])\s+(?=[A-Z`(])", text)


def _is_about_null(sentence: str) -> bool:
    return re.search(r"\bnull\b", sentence) is not None


def _cell(text: str) -> str:
    return text.replace("|", r"\|").replace("<", "&lt;")


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
    print(f"wrote {PAGE}")
