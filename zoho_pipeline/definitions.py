"""The Dagster code location: `dg dev`, or `dagster … -m zoho_pipeline.definitions`, loads `defs`.

It reads the environment. `build` does not, so that a project of somebody else can call it with settings of its own.
"""

import dagster as dg

from zoho_pipeline.orchestration import build
from zoho_pipeline.settings import load_settings

# A run of ours has one or two steps, so a process for each of them would only cost time. The executor is here and not
# in `build`, because `Definitions.merge` would give it to all jobs of a host.
defs = dg.Definitions.merge(build(load_settings()), dg.Definitions(executor=dg.in_process_executor))
