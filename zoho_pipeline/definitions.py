"""The Dagster code location: `dagster … -m zoho_pipeline.definitions` loads `defs`, built from the settings."""

from zoho_pipeline.orchestration.build import build
from zoho_pipeline.settings import load_settings

defs = build(load_settings())
