"""What a Dagster project of somebody else may change of our definitions, when it merges them into its own."""

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from keyword import iskeyword
from typing import TYPE_CHECKING, Any, TypeVar

import dagster as dg

from zoho_pipeline.orchestration.assets.asset_tags import LAYER, LAYERS, MODEL_LAYERS, PII
from zoho_pipeline.orchestration.naming import Naming
from zoho_pipeline.orchestration.pools import MARTS_POOL, SYNC_POOL
from zoho_pipeline.setting_checks import dagster_owners
from zoho_pipeline.settings import UsageError

if TYPE_CHECKING:
    from zoho_pipeline.ingest.limits import SyncLimits

MODELS = "models"
"""The word for all layers of SQL models, as a key of `owners` and `automation_conditions`."""

Condition = dg.AutomationCondition[dg.AssetKey]

T = TypeVar("T")
_WORD = re.compile(r"[A-Za-z0-9_]+")
_KEY_WORD = re.compile(r"[A-Za-z0-9_.-]+")
"""Dagster makes names of steps out of asset keys. It replaces `-` and `.` there, and refuses other signs."""
_OPTIONAL_WORDS = ("prefix", "group_prefix", "resource_key")
"""The words that may be missing. A run without a pool would have no limit, so the pools are none of them."""
_OWN_TAGS = (LAYER, PII)


@dataclass(frozen=True)
class Overrides:
    """Changes of our definitions. Without an argument, they are those of our own code location.

    Where an argument is a mapping of owners or conditions, its keys are a layer (`source`, `raw`, `seed`, `staging`,
    `intermediate`, `mart`, `metric`, `insight`), `models` for all layers of SQL models, or an asset without the prefix
    (`marts/channel_insight`). An asset goes before a layer, and a layer before `models`.

    Attributes:
        prefix: a letter and further letters, digits and `_`. It begins every name: those of jobs, ops, sensors,
            schedules, partitions, the resource, groups and asset keys. Two builds in one Dagster instance need two
            prefixes.
        key_prefix: begins the asset keys instead of `prefix`; `()` leaves them as they are.
        group_prefix: begins the groups instead of `prefix`; `""` leaves them as they are.
        resource_key: the key of our resource instead of `services`, or `PREFIX_services` with a prefix.
        sync_pool, marts_pool: the concurrency pools of syncs and of refreshes.
        owners: e-mail addresses and `team:NAME`, for all assets or by layer; None: those of the settings.
        tags: further tags of every asset.
        automation_conditions: the conditions that start runs of our assets, instead of our own one.
        sensors: whether our sensors are there. Without them nothing adds partitions, and nothing refreshes the marts.
        schedules: whether our schedules are there.
        limits: the limits of each sync; None: those of the product.

    Raises:
        UsageError: an argument is wrong; the message names it, and what it takes.
    """

    prefix: str = ""
    key_prefix: Sequence[str] | None = None
    group_prefix: str | None = None
    resource_key: str | None = None
    sync_pool: str = SYNC_POOL
    marts_pool: str = MARTS_POOL
    owners: Sequence[str] | Mapping[str, Sequence[str]] | None = None
    tags: Mapping[str, str] = field(default_factory=dict)
    automation_conditions: Mapping[str, Condition] | None = None
    sensors: bool = True
    schedules: bool = True
    limits: "SyncLimits | None" = None

    def __post_init__(self) -> None:
        self._require_names()
        self._require_owners()
        if not isinstance(self.tags, Mapping):
            raise UsageError(f"Overrides(tags={self.tags!r}): it takes a mapping, as {{'domain': 'sales'}}.")
        if own := [tag for tag in self.tags if tag in _OWN_TAGS]:
            raise UsageError(f"Overrides(tags=…): the tag {own[0]!r} is set by the pipeline. Choose another name.")
        _require_of_dagster("tags", tags=dict(self.tags))
        conditions = self.automation_conditions
        if conditions is not None and not isinstance(conditions, Mapping):
            raise UsageError(
                "Overrides(automation_conditions=…): it takes a mapping, as {'models': AutomationCondition.eager()}."
            )
        for condition in (conditions or {}).values():
            _require_of_dagster("automation_conditions", automation_condition=condition)
        for name, value in (("sensors", self.sensors), ("schedules", self.schedules)):
            if not isinstance(value, bool):  # the text "false" would switch them on
                raise UsageError(f"Overrides({name}={value!r}): it takes True or False.")
        if self.limits is not None:
            from zoho_pipeline.ingest.limits import SyncLimits

            if not isinstance(self.limits, SyncLimits):
                raise UsageError(f"Overrides(limits={self.limits!r}): it takes zoho_pipeline.ingest.limits.SyncLimits.")

    def _require_names(self) -> None:
        words = {"prefix": self.prefix, "group_prefix": self.group_prefix, "resource_key": self.resource_key}
        words |= {"sync_pool": self.sync_pool, "marts_pool": self.marts_pool}
        for name, word in words.items():
            if name in _OPTIONAL_WORDS and (word == "" or (word is None and name != "prefix")):
                continue
            if not isinstance(word, str) or not _WORD.fullmatch(word):
                raise UsageError(f"Overrides({name}={word!r}): it takes letters, digits and _ only.")
        for name in ("prefix", "resource_key"):  # Dagster makes an attribute of a Python object out of the resource
            word = words[name]
            if word and not word[0].isalpha():
                raise UsageError(f"Overrides({name}={word!r}): it takes a word that begins with a letter.")
        if iskeyword(self.resource_key or "") or self.resource_key == "io_manager":
            raise UsageError(
                f"Overrides(resource_key={self.resource_key!r}): Python or Dagster has this word for something else. "
                "Choose another one."
            )
        if isinstance(self.key_prefix, str) or not isinstance(self.key_prefix, Sequence | None):
            example = self.key_prefix if isinstance(self.key_prefix, str) else "crm"
            raise UsageError(f"Overrides(key_prefix={self.key_prefix!r}): it takes a list of words, as [{example!r}].")
        for part in self.key_prefix or ():
            if not isinstance(part, str) or not _KEY_WORD.fullmatch(part):
                raise UsageError(
                    f"Overrides(key_prefix={self.key_prefix!r}): each word takes letters, digits, `_`, `-` and `.` "
                    "only, and none has a /."
                )

    def _require_owners(self) -> None:
        by_place = self.owners if isinstance(self.owners, Mapping) else {"": self.owners or ()}
        for place, owners in by_place.items():
            if isinstance(owners, str) or not isinstance(owners, Collection):  # a generator would be empty afterwards
                shown = f"{{{place!r}: {owners!r}}}" if place else repr(owners)
                raise UsageError(f"Overrides(owners={shown}): it takes a list, as [{str(owners)!r}].")
            for owner in owners:
                try:
                    is_one = isinstance(owner, str) and dagster_owners(owner) == (owner,)
                except ValueError as error:
                    raise UsageError(f"Overrides(owners=…) {error}") from error
                if not is_one:
                    raise UsageError(
                        f"Overrides(owners=…): {owner!r} is not one owner. Each is an e-mail address or `team:NAME`, "
                        "without blanks around it: ['ana@example.com', 'team:crm']."
                    )

    @property
    def naming(self) -> Naming:
        """The names of this build."""
        own_prefix = [self.prefix] if self.prefix else []
        return Naming(
            prefix=self.prefix,
            key_prefix=tuple(own_prefix if self.key_prefix is None else self.key_prefix),
            group_prefix=self.prefix if self.group_prefix is None else self.group_prefix,
            resource=self.resource_key or (f"{self.prefix}_services" if self.prefix else "services"),
            sync_pool=self.sync_pool,
            marts_pool=self.marts_pool,
        )


def _require_of_dagster(name: str, **attribute: Any) -> None:
    """UsageError: Dagster does not take this for an asset. The message is Dagster's own."""
    try:
        dg.AssetSpec("one", **attribute)
    except Exception as error:  # Dagster has no common class for them: CheckError, DagsterInvalidDefinitionError
        raise UsageError(f"Overrides({name}=…): {error}") from error


@dataclass(frozen=True)
class Finish:
    """Gives each spec the owners, tags and condition that the settings and the overrides choose.

    Attributes:
        owners: of the settings.
        own_condition: our condition of the models, if `overrides` has no conditions.
    """

    overrides: Overrides
    owners: Sequence[str]
    own_condition: Condition | None

    def all(self, specs: Sequence[dg.AssetSpec]) -> list[dg.AssetSpec]:
        """The finished specs, in the same order."""
        return [self._one(spec) for spec in specs]

    def _one(self, spec: dg.AssetSpec) -> dg.AssetSpec:
        wanted = self.overrides
        owners = _chosen(spec, wanted.owners) if isinstance(wanted.owners, Mapping) else wanted.owners
        if wanted.owners is None:
            owners = self.owners
        if wanted.automation_conditions is not None:
            condition = _chosen(spec, wanted.automation_conditions)
        else:
            condition = self.own_condition if spec.tags[LAYER] in MODEL_LAYERS else None
        return spec.replace_attributes(
            owners=list(owners or ()), tags={**spec.tags, **wanted.tags}, automation_condition=condition
        )


def _chosen(spec: dg.AssetSpec, by_place: Mapping[str, T]) -> T | None:
    return next((by_place[place] for place in places_of(spec) if place in by_place), None)


def places_of(spec: dg.AssetSpec) -> Iterator[str]:
    """The keys under which owners and conditions of an asset are looked up, the narrowest first."""
    yield "/".join(spec.key.path[-2:])
    yield spec.tags[LAYER]
    if spec.tags[LAYER] in MODEL_LAYERS:
        yield MODELS


def require_known_places(
    overrides: Overrides, specs: Sequence[dg.AssetSpec], external: Sequence[dg.AssetSpec] = ()
) -> None:
    """UsageError: a key of `owners` or `automation_conditions` is no layer and no asset.

    Args:
        specs: those that runs materialize.
        external: those that nothing materializes, so that a condition would start nothing.
    """
    for place in overrides.automation_conditions or ():
        if place in {place for spec in external for place in places_of(spec)}:
            raise UsageError(
                f"Overrides(automation_conditions=…): nothing materializes {place!r}. Give the condition to raw, to "
                f"{MODELS}, or to an asset of them."
            )
    known = {place for spec in (*specs, *external) for place in places_of(spec)} | set(LAYERS)
    for name, given in (("owners", overrides.owners), ("automation_conditions", overrides.automation_conditions)):
        for place in given if isinstance(given, Mapping) else ():
            if place not in known:
                raise UsageError(
                    f"Overrides({name}=…): {place!r} is no layer and no asset. It takes {MODELS}, {', '.join(LAYERS)}, "
                    "or an asset such as marts/channel_insight."
                )
