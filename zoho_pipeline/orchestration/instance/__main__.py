"""`python -m zoho_pipeline.orchestration.instance` prepares HOME/dagster and prints its path."""

import sys

from zoho_pipeline.orchestration.instance.home import prepare_dagster_home
from zoho_pipeline.settings import PipelineError, load_settings

try:
    print(prepare_dagster_home(load_settings()))
except PipelineError as error:
    print(f"error: {error}", file=sys.stderr)
    sys.exit(error.exit_code)
