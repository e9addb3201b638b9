"""The type that `dg.define_asset_job` returns. Dagster exports the function and not its type."""

from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition

AssetJob = UnresolvedAssetJobDefinition
