"""The command line: `zoho-pipeline …`.

Commands are thin, and import what they need when they run: `--help` answers without dagster, dlt or pandas.
"""

import click

from zoho_pipeline.cli.channels import channels
from zoho_pipeline.cli.connect import connect
from zoho_pipeline.cli.data import content, reconcile, sync
from zoho_pipeline.cli.demo.story import demo
from zoho_pipeline.cli.marts import insight, sql, transform
from zoho_pipeline.cli.program import CONTEXT_SETTINGS, Program
from zoho_pipeline.cli.simulator import simulator


@click.group(cls=Program, context_settings=CONTEXT_SETTINGS)
@click.version_option(package_name="zoho-pipeline")
def main() -> None:
    """Zoho CRM to insight: incremental extraction, attribution, conversion and speed to lead, per channel.

    A channel is one connected Zoho CRM org. Settings come from the environment or .env; all state lives
    in ZOHO_PIPELINE_HOME (./data).

    \b
    Try it without a Zoho account:   zoho-pipeline demo
    With one:                        zoho-pipeline connect acme --data-center in
    Every day:                       zoho-pipeline sync && zoho-pipeline transform
    Then read:                       zoho-pipeline insight acme
    """


for command in (connect, channels, content, sync, reconcile, transform, insight, sql, simulator, demo):
    main.add_command(command)
