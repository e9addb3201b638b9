"""Checks: the tests of the yml and the SELECTs of `tests/`, as SQL that counts failures per channel.

Where the rows have a `channel_id`, a failure belongs to that channel, so that one channel's broken
identity holds back the rows of that channel only. Null and value tests of a model share one scan.
"""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import sqlglot

from zoho_pipeline.transform.errors import ProjectError
from zoho_pipeline.transform.project.docs import Severity, YmlCheck
from zoho_pipeline.transform.project.model import SOURCE_DIALECT, Model
from zoho_pipeline.transform.project.project import Project
from zoho_pipeline.transform.run.engine import Engine, quoted

QUERIES_PER_STATEMENT = 12
"""The number of queries in one statement. More of them save little, and the engine keeps all their hash tables at
once."""
T = TypeVar("T")
_REF = re.compile(r"""ref\(\s*['"](\w+)['"]\s*\)|(\w+)""")


@dataclass(frozen=True)
class Check:
    """A check of a model: either a test of the yml (`rule`) or a singular test (`test`).

    `parent` is the model or seed that a relationships test looks rows up in.
    """

    name: str
    model: str
    severity: Severity
    description: str
    rule: YmlCheck | None = None
    test: Model | None = None
    parent: str | None = None

    @property
    def reads(self) -> frozenset[str]:
        """The models and seeds that it reads."""
        named = self.test.depends_on if self.test else (self.model, *([self.parent] if self.parent else []))
        return frozenset(named)


@dataclass(frozen=True)
class CheckResult:
    """`failures` rows broke the rule; they belong to `channels`, which is (None,) where rows have no channel."""

    name: str
    model: str
    severity: Severity
    passed: bool
    failures: int = 0
    channels: tuple[str | None, ...] = ()
    description: str = ""


def project_checks(project: Project) -> tuple[Check, ...]:
    """Every check of a project, under unique names. ProjectError: a check names a model that does not exist."""
    documented = [(m.name, m.docs) for m in project.models.values()]
    documented += [(s.name, s.docs) for s in project.seeds.values()]
    found = [_yml_check(project, name, rule) for name, docs in documented for rule in docs.checks]
    order = list(project.models)
    for test in project.tests.values():
        models = [name for name in test.depends_on if name in project.models]
        if not models:
            raise ProjectError(test.path, 1, "reads no model, so that nothing would be checked.")
        last = max(models, key=order.index)
        found.append(Check(test.name, last, test.docs.severity, test.description, test=test))
    seen: Counter[str] = Counter()
    for position, check in enumerate(found):
        seen[check.name] += 1
        if seen[check.name] > 1:
            found[position] = replace(check, name=f"{check.name}_{seen[check.name]}")
    return tuple(found)


def _yml_check(project: Project, model: str, rule: YmlCheck) -> Check:
    parent = None
    path = (project.models.get(model) or project.seeds[model]).docs.path or project.root
    if rule.kind == "relationships":
        match = _REF.fullmatch(str(rule.arguments.get("to", "")).strip())
        parent = (match.group(1) or match.group(2)) if match else None
        if parent not in project.models and parent not in project.seeds:
            raise ProjectError(path, None, f"{model}.{rule.columns[0]} refers to {parent}, which is no model or seed.")
    if rule.kind == "accepted_values" and not rule.arguments.get("values"):
        raise ProjectError(path, None, f"{model}.{rule.columns[0]} accepts no values; give values: […].")
    name = f"{rule.kind}_{model}_{'_'.join(rule.columns)}" + (f"_{parent}" if parent else "")
    return Check(name, model, rule.severity, _description(rule, parent), rule=rule, parent=parent)


def _description(rule: YmlCheck, parent: str | None) -> str:
    columns = ", ".join(rule.columns)
    match rule.kind:
        case "not_null":
            return f"{columns} is never null"
        case "accepted_values":
            return f"{columns} is one of {', '.join(map(str, rule.arguments['values']))}"
        case "relationships":
            return f"every {columns} exists in {parent}"
        case _:
            return f"{columns} is unique"


def run_checks(engine: Engine, checks: Sequence[Check]) -> list[CheckResult]:
    """Run checks on the tables of the run.

    Most checks find nothing, so many go into one statement, because planning each of them took most of a small run.

    Raises:
        SqlError: a check cannot run.
    """
    failed: dict[str, dict[str | None, int]] = {check.name: {} for check in checks}
    scans: dict[str, list[Check]] = {}
    own: list[Check] = []
    keys: list[tuple[Check, str]] = []
    for check in checks:
        if check.rule and check.rule.kind in ("not_null", "accepted_values"):
            scans.setdefault(check.model, []).append(check)
        elif screen := _key_screen(engine, check):
            keys.append((check, screen))
        else:
            own.append(check)
    for some in _chunks(keys):
        screened = _fetch_numbered(engine, [screen for _, screen in some])
        own += [some[place][0] for place, _, repeated in screened if repeated]
    for chunk in _chunks(own):
        queries = [_count_sql(engine, check) for check in chunk]
        for place, channel, failures in _fetch_numbered(engine, queries):
            failed[chunk[place].name][channel] = int(failures)
    for models in _chunks(list(scans)):
        screens = [_screen_sql(engine, model, scans[model]) for model in models]
        for place, _, failures in _fetch_numbered(engine, screens):
            if failures:
                _scan(engine, models[place], scans[models[place]], failed)
    return [_result(check, failed[check.name]) for check in checks]


def _chunks(whole: Sequence[T]) -> list[Sequence[T]]:
    return [whole[start : start + QUERIES_PER_STATEMENT] for start in range(0, len(whole), QUERIES_PER_STATEMENT)]


def _fetch_numbered(engine: Engine, queries: Sequence[str]) -> list[tuple[Any, ...]]:
    """Run queries of the form (channel, failures) at once; rows are (place of the query, channel, failures)."""
    numbered = [
        f"select {place} as place, cast(q{place}.channel as varchar) as channel, q{place}.failures from (\n{query}\n)"  # noqa: S608
        f" as q{place} (channel, failures)"
        for place, query in enumerate(queries)
    ]
    return engine.connection.fetch("\nunion all\n".join(numbered))[1]


def _scan(engine: Engine, model: str, group: Sequence[Check], failed: Mapping[str, dict[str | None, int]]) -> None:
    """Count the failures of a model's null and value tests per channel."""
    for channel, *counts in engine.connection.fetch(_scan_sql(engine, model, group))[1]:
        for check, failures in zip(group, counts, strict=True):
            if failures:
                failed[check.name][channel] = int(failures)


def _result(check: Check, failed: dict[str | None, int]) -> CheckResult:
    channels = tuple(sorted(failed, key=str))
    return CheckResult(
        check.name, check.model, check.severity, not failed, sum(failed.values()), channels, check.description
    )


def _key_screen(engine: Engine, check: Check) -> str | None:
    """A query that finds out cheaply whether a key is unique; its number is 0 if it is."""
    if check.rule is None or check.rule.kind not in ("unique", "unique_combination_of_columns"):
        return None
    repeated = engine.repeated(check.rule.columns)
    return repeated and f"select null, {repeated} from {quoted(check.model)} where {_keys(engine, check.rule)}"  # noqa: S608


def _screen_sql(engine: Engine, model: str, checks: Iterable[Check]) -> str:
    """How many rows of a model break any of its null and value tests."""
    return f"select null, count(*) from {quoted(model)} where {_or(_conditions(engine, checks))}"  # noqa: S608


def _scan_sql(engine: Engine, model: str, checks: Iterable[Check]) -> str:
    """One scan of a model for all its null and value tests: one row per channel that breaks one."""
    conditions = _conditions(engine, checks)
    counts = [f"sum(case when {condition} then 1 else 0 end)" for condition in conditions]
    channel = _channel(engine, model)
    return f"select {channel}, {', '.join(counts)} from {quoted(model)} where {_or(conditions)} group by 1"  # noqa: S608


def _conditions(engine: Engine, checks: Iterable[Check]) -> list[str]:
    return [_broken(engine, check.rule) for check in checks if check.rule]


def _or(conditions: Iterable[str]) -> str:
    return " or ".join(f"({condition})" for condition in conditions)


def _broken(engine: Engine, rule: YmlCheck) -> str:
    column = quoted(rule.columns[0])
    if rule.kind == "not_null":
        condition = f"{column} is null"
    else:
        values = rule.arguments["values"]
        compared = f"cast({column} as varchar)" if all(isinstance(v, str) for v in values) else column
        condition = f"{column} is not null and {compared} not in ({', '.join(map(_literal, values))})"
    return f"{condition}{_where(engine, rule)}"


def _where(engine: Engine, rule: YmlCheck) -> str:
    return f" and ({_in_dialect(engine, rule.where)})" if rule.where else ""


def _count_sql(engine: Engine, check: Check) -> str:
    """The query for a check that needs one of its own; its rows are (channel, failures)."""
    if check.test is not None:
        channel = "channel_id" if "channel_id" in check.test.expression.named_selects else "null"
        return f"select {channel}, count(*) from (\n{engine.model_sql(check.test)}\n) as failing group by 1"  # noqa: S608
    assert check.rule is not None
    rule, model, channel = check.rule, quoted(check.model), _channel(engine, check.model)
    columns = [quoted(name) for name in rule.columns]
    if check.parent is not None:
        key = quoted(str(rule.arguments.get("field") or rule.columns[0]))
        both = _has_channel(engine, check.model) and _has_channel(engine, check.parent)
        same = f" and p.channel_id = {model}.channel_id" if both else ""
        return (
            f"select {model}.{channel}, count(*) from {model} where {columns[0]} is not null{_where(engine, rule)}"  # noqa: S608
            f" and not exists (select 1 from {quoted(check.parent)} as p where p.{key} = {model}.{columns[0]}{same})"
            " group by 1"
        ).replace(f"{model}.null", "null")
    listed = ", ".join(columns)
    doubled = f"select {listed} from {model} where {_keys(engine, rule)} group by {listed} having count(*) > 1"  # noqa: S608
    if '"channel_id"' in columns:
        return f"select channel_id, count(*) from ({doubled}) as doubled group by 1"  # noqa: S608
    return f"select {channel}, count(*) from {model} where ({listed}) in ({doubled}) group by 1"  # noqa: S608


def _keys(engine: Engine, rule: YmlCheck) -> str:
    """The condition on the rows whose keys must be unique: nulls in a key of one column may repeat."""
    present = " and ".join(f"{quoted(c)} is not null" for c in rule.columns) if rule.kind == "unique" else "1 = 1"
    return f"{present}{_where(engine, rule)}"


def _has_channel(engine: Engine, relation: str) -> bool:
    return "channel_id" in engine.shape(relation)


def _channel(engine: Engine, relation: str) -> str:
    return "channel_id" if _has_channel(engine, relation) else "null"


def _in_dialect(engine: Engine, condition: str) -> str:
    return sqlglot.parse_one(condition, dialect=SOURCE_DIALECT).sql(engine.dialect)


def _literal(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, int | float) else "'" + str(value).replace("'", "''") + "'"
