"""The rows that a user sees, in order: pages and page tokens count positions in these lists."""

from collections.abc import Sequence

from zoho_pipeline.simulator.state.index import ID_SPAN, id_of, key_of
from zoho_pipeline.simulator.state.store import ModuleStore, Row
from zoho_pipeline.simulator.state.users import User

KEPT_VIEWS = 16


def visible_keys(
    module: ModuleStore,
    user: User,
    *,
    sort_by: str = "id",
    converted: str = "both",
    since: int | None = None,
) -> Sequence[int]:
    """Ascending keys of the rows that `user` sees; `since` is the lowest Modified_Time (inclusive).

    `converted` is `both`, `true` or `false`; it has an effect on Leads only. Without a filter this is the
    index of the module itself. A filtered list is kept until a row or a right changes.
    """
    if module.api_name != "Leads":
        converted = "both"
    if converted == "both" and since is None and user.sees_all(module.api_name):
        return module.ordered(sort_by).keys
    key = (module.version, user.id, user.access, sort_by, converted, since)
    if (kept := module.views.get(key)) is not None:
        module.views.move_to_end(key)
        return kept
    module.views[key] = view = _filtered(module, user, sort_by, converted, since)
    if len(module.views) > KEPT_VIEWS:
        module.views.popitem(last=False)
    return view


def _filtered(module: ModuleStore, user: User, sort_by: str, converted: str, since: int | None) -> list[int]:
    keys: list[int] = module.ordered(sort_by).keys
    rows = module.rows
    if since is not None:
        start, stop = module.by_modified.span(since * ID_SPAN, None)
        recent = module.by_modified.keys[start:stop]
        if sort_by == "Modified_Time":
            keys = recent
        elif sort_by == "id":
            keys = sorted(key % ID_SPAN for key in recent)
        else:
            keys = sorted(key_of(rows[id_of(key)]["Created_Time"], id_of(key)) for key in recent)
    if converted != "both":
        wanted = converted == "true"
        keys = [key for key in keys if rows[id_of(key)].get("Converted__s", False) is wanted]
    if not user.sees_all(module.api_name):
        keys = [key for key in keys if user.sees(module.api_name, rows[id_of(key)])]
    return keys


def rows_at(module: ModuleStore, keys: Sequence[int], offset: int, count: int, *, descending: bool) -> list[Row]:
    """`count` rows from position `offset` of the keys, counted from the end when `descending`."""
    if descending:
        stop = max(len(keys) - offset, 0)
        part = list(reversed(keys[max(stop - count, 0) : stop]))
    else:
        part = list(keys[offset : offset + count])
    rows = module.rows
    return [rows[id_of(key)] for key in part]
