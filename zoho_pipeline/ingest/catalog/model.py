"""What a raw table is: its columns, their types, and the Zoho field that each column comes from."""

from dataclasses import dataclass
from typing import Literal

from zoho_pipeline.warehouse.connection import RAW_SCHEMA

ColumnType = Literal["text", "integer", "double", "money", "rate", "boolean", "timestamp", "date", "json"]
"""`money` is decimal(27,9), `rate` is decimal(18,9), `timestamp` is an instant in UTC, `json` is JSON text."""

Part = Literal["value", "id", "name", "names", "others"]
"""The part of the Zoho value in a column: the value itself, a lookup's id or name, or the names of a tag list.

`others` is the one column for all fields of a record that no other column reads."""


@dataclass(frozen=True)
class Column:
    """A column of a raw table. `api_name` is the Zoho field it comes from; None if the pipeline derives it."""

    name: str
    type: ColumnType
    api_name: str | None = None
    part: Part = "value"
    nullable: bool = True


@dataclass(frozen=True)
class RawTable:
    """A table of schema `zoho_raw`, merged on `key`. `module` is the Zoho module that fills it, if there is one.

    Several modules may share a table: then `module` is a part of its key, and each module has a `RawTable` of its own.
    """

    name: str
    columns: tuple[Column, ...]
    key: tuple[str, ...] = ("channel_id", "id")
    module: str | None = None

    @property
    def api_fields(self) -> tuple[str, ...]:
        """The API names of the fields that this table reads, without `id`, each once, in the order of the columns."""
        names = (c.api_name for c in self.columns if c.api_name and c.api_name != "id")
        return tuple(dict.fromkeys(names))

    @property
    def is_shared(self) -> bool:
        """Whether the table has rows of other modules too."""
        return self.module is not None and "module" in self.key

    @property
    def constants(self) -> dict[str, str]:
        """The columns with one value in every row of the module."""
        return {"module": self.module} if self.module is not None and self.is_shared else {}

    @property
    def own_rows(self) -> str:
        """An SQL condition: the row is one of this module. A module's API name needs no escape (see `module_path`)."""
        return f"module = '{self.module}'" if self.is_shared else "true"

    @property
    def source(self) -> str:
        """The rows of this module in SQL. The query must give it an alias."""
        whole = f"{RAW_SCHEMA}.{self.name}"
        return f"(select * from {whole} where {self.own_rows})" if self.is_shared else whole  # noqa: S608

    def column(self, name: str) -> Column:
        """The column of that name; KeyError if there is none."""
        for column in self.columns:
            if column.name == name:
                return column
        raise KeyError(f"{self.name} has no column {name}")


CHANNEL = Column("channel_id", "text", nullable=False)
SYNCED = Column("synced_at", "timestamp", nullable=False)
TAG = Column("tag", "text", "Tag", "names")


def snake(api_name: str) -> str:
    """`Lead_Source` → `lead_source`, `Converted__s` → `converted`, `$se_module` → `se_module`."""
    return api_name.removeprefix("$").removesuffix("__s").lower()


def value_columns(type_: ColumnType, *api_names: str) -> tuple[Column, ...]:
    """One column per field, which holds the field's value."""
    return tuple(Column(snake(name), type_, name) for name in api_names)


def lookup_columns(*api_names: str) -> tuple[Column, ...]:
    """Two columns per lookup: `Owner` → owner_id, owner_name; `What_Id` → what_id, what_name."""
    columns: list[Column] = []
    for name in api_names:
        stem = snake(name).removesuffix("_id")
        columns += (Column(f"{stem}_id", "text", name, "id"), Column(f"{stem}_name", "text", name, "name"))
    return tuple(columns)


def module_table(name: str, module: str, *columns: Column) -> RawTable:
    """A table that one module fills: the key, the module's own columns, who changed it and when, custom fields."""
    return RawTable(
        name=name,
        module=module,
        columns=(
            CHANNEL,
            Column("id", "text", "id", nullable=False),
            *columns,
            *lookup_columns("Owner", "Created_By", "Modified_By"),
            *value_columns("timestamp", "Created_Time", "Modified_Time"),
            Column("custom_fields", "json", part="others"),
            SYNCED,
        ),
    )
