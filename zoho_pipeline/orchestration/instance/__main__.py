"""`python -m zoho_pipeline.orchestration.instance` prepares HOME/dagster and prints its path."""

from zoho_pipeline.orchestration.instance.home import prepare_dagster_home
from zoho_pipeline.settings import load_settings

print(prepare_dagster_home(load_settings()).absolute())
