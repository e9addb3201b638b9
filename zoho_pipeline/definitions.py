"""The Dagster code location: settings → definitions."""

from zoho_pipeline.orchestration.build import build
from zoho_pipeline.settings import load_settings

defs = build(load_settings())
