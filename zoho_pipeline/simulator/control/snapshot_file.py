"""Snapshots: the whole state of a simulator in one file, so that a demo can start again with the same org.

A snapshot is JSON lines: one line for the head, one per org, one per thousand rows. It is not a pickle,
because loading a pickle runs code from the file.
"""

import os
from collections import deque
from collections.abc import Iterator
from dataclasses import asdict, fields
from os import PathLike
from pathlib import Path
from typing import Any

import orjson

from zoho_pipeline.simulator.hub import Hub
from zoho_pipeline.simulator.state.credits import CreditBook
from zoho_pipeline.simulator.state.fields import LOOKUPS, Field, Pick, Pipeline
from zoho_pipeline.simulator.state.org import Org
from zoho_pipeline.simulator.state.store import Deletion, ModuleStore, Row
from zoho_pipeline.simulator.state.subscriptions import Subscription
from zoho_pipeline.simulator.state.tokens import Client, Grant
from zoho_pipeline.simulator.state.users import User
from zoho_pipeline.simulator.wire import SimulatorError

FORMAT = 1
CHUNK = 1_000
_ORG_VALUES = (
    "name", "time_zone", "currency", "edition", "location", "environment", "multi_currency", "id_base", "_last_id",
    "zgid", "id", "roles", "emails", "business_hours", "holidays", "open_stays", "orphaned", "attached", "layout_ids",
    "credit_limit_override",
)  # fmt: skip


def save(hub: Hub, path: str | PathLike[str]) -> None:
    """Write a snapshot in one atomic step; only the owner of the file may read it."""
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(target.name + ".part")
    with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        for line in _lines(hub):
            file.write(orjson.dumps(line, default=_plain) + b"\n")
    os.replace(part, target)


def _plain(value: Any) -> Any:
    if isinstance(value, deque):
        return list(value)
    if isinstance(value, set):
        return sorted(value)
    raise TypeError(f"a snapshot cannot hold a {type(value).__name__}")


def _lines(hub: Hub) -> Iterator[dict[str, Any]]:
    tokens = hub.tokens
    yield {
        "kind": "head", "format": FORMAT, "seed": hub.seed, "clock": [hub.clock.shift, hub.clock.frozen],
        "switches": hub.switches.as_dict(), "clients": [vars(c) for c in tokens.clients.values()],
        "grants": [vars(g) | {"live": []} for g in tokens.grants.values()],
        "consented": [list(pair) for pair in sorted(tokens.consented)],
    }  # fmt: skip
    for org in (handle.state for handle in hub.orgs.values()):
        yield _org_line(org)
        for module in org.modules.values():
            for place, rows in (("rows", module.rows), ("bin", module.bin)):
                held = list(rows.values())
                for start in range(0, len(held), CHUNK):
                    chunk = held[start : start + CHUNK]
                    yield {"kind": "rows", "org": org.id, "module": module.api_name, "place": place, "rows": chunk}


def _org_line(org: Org) -> dict[str, Any]:
    modules = [
        {"api_name": m.api_name, "id": m.id, "generated_type": m.generated_type, "label": m.label,
         "api_supported": m.api_supported, "fields": [asdict(f) for f in m.fields.values()],
         "deletions": [asdict(d) for d in m.deletions]}
        for m in org.modules.values()
    ]  # fmt: skip
    return {
        "kind": "org",
        "values": {name: getattr(org, name) for name in _ORG_VALUES},
        "users": [vars(user) for user in org.users.values()],
        "pipelines": [asdict(p) for p in org.pipelines],
        "spent": org.credits.spent,
        "subscriptions": [asdict(channel) for channel in org.board.subscriptions.values()],
        "modules": modules,
    }


def load(hub: Hub, path: str | PathLike[str]) -> None:
    """Fill an empty hub from a snapshot; a missing file leaves it empty.

    Raises SimulatorError when the file is not a snapshot.
    """
    source = Path(path)
    if not source.exists():
        return
    with source.open("rb") as file:
        for number, text in enumerate(file, 1):
            try:
                line = orjson.loads(text)
                _READERS[line["kind"]](hub, line)
            except (ValueError, KeyError, TypeError) as error:
                raise SimulatorError(
                    f"{source}, line {number}: this is not a snapshot of a simulator ({error})"
                ) from error


def _read_head(hub: Hub, line: dict[str, Any]) -> None:
    if line["format"] != FORMAT:
        raise ValueError(f"its format is {line['format']}, but this simulator reads format {FORMAT}")
    hub.seed = line["seed"]
    hub.clock.shift, hub.clock.frozen = line["clock"]
    hub.switches.update(**line["switches"])
    for client in line["clients"]:
        client |= {"redirect_uris": set(client["redirect_uris"]), "codes_issued": deque(client["codes_issued"])}
        hub.tokens.clients[client["id"]] = Client(**client)
    for grant in line["grants"]:
        grant |= {"minted": deque(grant["minted"]), "live": deque()}
        hub.tokens.grants[grant["refresh_token"]] = Grant(**grant)
    hub.tokens.consented = {(pair[0], pair[1]) for pair in line["consented"]}


def _read_org(hub: Hub, line: dict[str, Any]) -> None:
    values = line["values"]
    org = Org(
        name=values["name"], time_zone=values["time_zone"], currency=values["currency"],
        edition=values["edition"], id_base=values["id_base"], location=values["location"],
        environment=values["environment"],
    )  # fmt: skip
    for name in _ORG_VALUES:
        setattr(org, name, values[name])
    org.credits = CreditBook((at, price) for at, price in line["spent"])
    org.users = {user["id"]: _user(user) for user in line["users"]}
    org.pipelines = [Pipeline(p["id"], p["name"], [Pick(**s) for s in p["stages"]]) for p in line["pipelines"]]
    org.modules = {m["api_name"]: _module(m) for m in line["modules"]}
    channels = [Subscription(**channel) for channel in line.get("subscriptions", ())]
    org.board.subscriptions = {channel.channel_id: channel for channel in channels}
    hub.adopt(org)


def _user(values: dict[str, Any]) -> User:
    for name in ("hidden_rows", "hidden_fields"):
        values[name] = {module: set(items) for module, items in values[name].items()}
    for name in ("hidden_modules", "denied_modules"):
        values[name] = set(values[name])
    values["rows_of"] = {m: r if isinstance(r, str) else set(r) for m, r in values["rows_of"].items()}
    return User(**values)


def _module(values: dict[str, Any]) -> ModuleStore:
    known = {f.name for f in fields(Field)}
    made = {}
    for field in values["fields"]:
        picks = [Pick(**pick) for pick in field["picks"]]
        made[field["api_name"]] = Field(**{k: v for k, v in field.items() if k in known} | {"picks": picks})
    module = ModuleStore(
        values["api_name"], values["id"], made, values["generated_type"], values["label"], values["api_supported"]
    )
    module.deletions = [
        Deletion(**d | {n: None if d[n] is None else (d[n][0], d[n][1]) for n in ("by", "created_by")})
        for d in values["deletions"]
    ]
    return module


def _read_rows(hub: Hub, line: dict[str, Any]) -> None:
    module = hub.orgs[line["org"]].modules[line["module"]]
    tuples = [name for name, field in module.fields.items() if field.type in LOOKUPS]
    rows: list[Row] = line["rows"]
    for row in rows:
        for name in tuples:
            if name in row:
                row[name] = tuple(row[name])
    if line["place"] == "rows":
        module.put_many(rows)
    else:
        module.bin.update((row["id"], row) for row in rows)


_READERS = {"head": _read_head, "org": _read_org, "rows": _read_rows}
