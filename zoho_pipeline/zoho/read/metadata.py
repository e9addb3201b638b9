"""Metadata of an org: modules, fields, layouts, pipelines, stage history modules, business hours, holidays."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from zoho_pipeline.zoho.connection.client import VERSION, ZohoClient
from zoho_pipeline.zoho.errors import BadAnswer
from zoho_pipeline.zoho.read.pages import Row, page_of, record_id, rows_of

SETTINGS = f"/crm/{VERSION}/settings"
MOST_PAGES = 50
"""An org has a few hundred modules, and a module at most a thousand fields. 200 of them are on a page."""
FIELD_TRACKER = "field_tracker"
DEAL_HISTORY = "DealHistory"


@dataclass(frozen=True)
class ModuleMeta:
    """A module of the org. `generated_type` is default, custom, linking, subform, field_tracker, web …"""

    id: str
    api_name: str
    generated_type: str
    api_supported: bool


@dataclass(frozen=True)
class PickListValue:
    """A value of a picklist: records carry `actual_value`; `probability` and `forecast_type` on deal stages.

    The two numbers are as Zoho sent them. The code that stores them checks that they are numbers.
    """

    actual_value: str
    display_value: str
    sequence_number: Any = None
    used: bool = True
    probability: Any = None
    forecast_type: str | None = None


@dataclass(frozen=True)
class FieldMeta:
    """A field of a module."""

    id: str
    api_name: str
    label: str
    data_type: str
    custom: bool
    visible: bool
    pick_list_values: tuple[PickListValue, ...] = ()


@dataclass(frozen=True)
class Layout:
    """A layout of a module. Each layout has its own `pipelines`."""

    id: str
    name: str
    visible: bool


@dataclass(frozen=True)
class Stage:
    """A stage of a pipeline. Won and lost follow `forecast_type` (Open, Closed Won, Closed Lost), never the text.

    The two numbers are as Zoho sent them. The code that stores them checks that they are numbers.
    """

    actual_value: str
    display_value: str
    sequence_number: Any
    forecast_type: str | None
    forecast_category: str | None
    probability: Any = None


@dataclass(frozen=True)
class Pipeline:
    """A sales pipeline. `actual_value` is the value of a deal's `Pipeline` field."""

    id: str
    layout_id: str
    actual_value: str
    display_value: str
    default: bool
    stages: tuple[Stage, ...]


def modules(client: ZohoClient) -> list[ModuleMeta]:
    """All modules that the user sees, with field trackers."""
    rows = _list(client, "modules", "modules")
    return [
        ModuleMeta(
            id=_text(row, "id"),
            api_name=_text(row, "api_name"),
            generated_type=_text(row, "generated_type"),
            api_supported=row.get("api_supported") is not False,
        )
        for row in rows
        if row.get("api_name")
    ]


def history_modules(found: Sequence[ModuleMeta]) -> tuple[str, ...]:
    """API names of the stage and status history modules among `found`.

    Their names differ per org. `DealHistory` always exists, although some lists of modules do not have it.
    """
    names = [module.api_name for module in found if module.generated_type == FIELD_TRACKER and module.api_supported]
    return tuple(dict.fromkeys((DEAL_HISTORY, *names)))


def fields(client: ZohoClient, module: str, *, type: str = "all") -> list[FieldMeta]:
    """The fields of a module, with hidden ones.

    Args:
        type: 'all', 'used' or 'unused' (on layouts).

    Raises:
        BadAnswer: there is none. Each module that we read has fields: with an empty list, a sync would read its rows
            without custom fields, and no later sync would read these rows again.
    """
    rows = _list(client, "fields", "fields", {"module": module, "type": type})
    found = [_field(row) for row in rows if row.get("api_name")]
    if not found and type != "unused":
        raise BadAnswer(f"GET settings/fields: the answer names no field of {module}. Run the command again.")
    return found


def layouts(client: ZohoClient, module: str) -> list[Layout]:
    """The layouts of a module."""
    rows = _list(client, "layouts", "layouts", {"module": module})
    return [
        Layout(_text(row, "id"), _text(row, "name"), row.get("visible") is not False and row.get("status") != -1)
        for row in rows
    ]


def pipelines(client: ZohoClient, layout_id: str | None = None) -> list[Pipeline]:
    """The pipelines of all layouts of deals, or of one layout, without the probabilities of their stages.

    It needs the scopes of layouts and pipeline. `with_probabilities` adds the probabilities.
    """
    wanted = [layout_id] if layout_id else [layout.id for layout in layouts(client, "Deals")]
    return [pipeline for layout in wanted for pipeline in _pipelines_of(client, record_id(layout))]


def with_probabilities(found: Sequence[Pipeline], deal_fields: Sequence[FieldMeta]) -> list[Pipeline]:
    """The pipelines with each stage's probability and missing forecast type, from the picklist of the field `Stage`."""
    stage = next((field for field in deal_fields if field.api_name == "Stage"), None)
    known = {value.actual_value: value for value in stage.pick_list_values} if stage else {}
    return [
        Pipeline(
            p.id, p.layout_id, p.actual_value, p.display_value, p.default, tuple(_merged(s, known) for s in p.stages)
        )
        for p in found
    ]


def business_hours(client: ZohoClient) -> Row | None:
    """Zoho's document of the business hours; None if none are set."""
    answer = client.get(f"{SETTINGS}/business_hours")
    if answer.data is None:
        return None
    found = answer.data.get("business_hours")
    if isinstance(found, list):  # newer answers have a list with one document
        found = found[0] if found else None
    if found is not None and not isinstance(found, dict):
        raise BadAnswer("GET settings/business_hours: the answer has no business hours.")
    return found


def holidays(client: ZohoClient, year: int) -> list[Row]:
    """The holidays of a year: id, name, date (YYYY-MM-DD), year, type (business_holiday, shift_holiday)."""
    return _list(client, "holidays", "holidays", {"year": year})


def _list(client: ZohoClient, path: str, key: str, params: Mapping[str, Any] | None = None) -> list[Row]:
    """All rows of a settings list. Further pages are read only if the answer says that there are any."""
    what = f"GET settings/{path}"
    page = page_of(client.get(f"{SETTINGS}/{path}", params), what, key, info=False)
    rows, pages = list(page.rows), [page.rows]
    while page.more:
        page = page_of(
            client.get(f"{SETTINGS}/{path}", {**(params or {}), "page": len(pages) + 1}), what, key, info=False
        )
        if page.rows in pages or len(pages) >= MOST_PAGES:
            raise BadAnswer(f"{what}: more rows follow, but page {len(pages) + 1} has none that are new.")
        rows += page.rows
        pages.append(page.rows)
    return rows


def _field(row: Mapping[str, Any]) -> FieldMeta:
    picks = row.get("pick_list_values")
    return FieldMeta(
        id=_text(row, "id"),
        api_name=_text(row, "api_name"),
        label=_text(row, "field_label") or _text(row, "display_label"),
        data_type=_text(row, "data_type"),
        custom=row.get("custom_field") is True,
        visible=row.get("visible") is not False,
        pick_list_values=tuple(
            _pick(value) for value in (picks if isinstance(picks, list) else ()) if isinstance(value, dict)
        ),
    )


def _pick(value: Mapping[str, Any]) -> PickListValue:
    display = _text(value, "display_value")
    return PickListValue(
        actual_value=_text(value, "actual_value") or display,
        display_value=display,
        sequence_number=value.get("sequence_number"),
        used=value.get("type") != "unused",
        probability=value.get("probability"),
        forecast_type=_text(value, "forecast_type") or None,
    )


def _pipelines_of(client: ZohoClient, layout_id: str) -> list[Pipeline]:
    rows = _list(client, "pipeline", "pipeline", {"layout_id": layout_id})
    return [
        Pipeline(
            id=_text(row, "id"),
            layout_id=layout_id,
            actual_value=_text(row, "actual_value") or _text(row, "display_value"),
            display_value=_text(row, "display_value"),
            default=row.get("default") is True,
            stages=tuple(
                _stage(stage) for stage in rows_of({"maps": row.get("maps") or []}, "maps", "GET settings/pipeline")
            ),
        )
        for row in rows
    ]


def _stage(row: Mapping[str, Any]) -> Stage:
    category = row.get("forecast_category")
    return Stage(
        actual_value=_text(row, "actual_value") or _text(row, "display_value"),
        display_value=_text(row, "display_value"),
        sequence_number=row.get("sequence_number"),
        forecast_type=_text(row, "forecast_type") or None,
        forecast_category=_text(category, "name") or None if isinstance(category, dict) else None,
        probability=row.get("probability"),
    )


def _merged(stage: Stage, known: Mapping[str, PickListValue]) -> Stage:
    value = known.get(stage.actual_value)
    if value is None:
        return stage
    return Stage(
        stage.actual_value,
        stage.display_value,
        stage.sequence_number,
        stage.forecast_type or value.forecast_type,
        stage.forecast_category,
        value.probability if stage.probability is None else stage.probability,
    )


def _text(row: Mapping[str, Any], key: str) -> str:
    value = row.get(key)
    return value if isinstance(value, str) else "" if value is None else str(value)
