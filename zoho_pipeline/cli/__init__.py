"""The command line `zoho-pipeline …`. Each command imports what it needs when it runs, so that `--help` is fast.

Belongs here: arguments, help texts, tables, exit codes. Does not belong here: what a command does (`channels` … below).
Called by: the entry point `zoho-pipeline` of pyproject.toml; the tests call `main`.
Read first: program.py (errors and exit codes), then data.py (`sync`).
"""

import sys

try:
    import click

    from zoho_pipeline.cli.channels import channels
    from zoho_pipeline.cli.connect import connect
    from zoho_pipeline.cli.data import content, reconcile, sync
    from zoho_pipeline.cli.demo.story import demo
    from zoho_pipeline.cli.marts import dashboard, export, insight, sql, transform
    from zoho_pipeline.cli.program import CONTEXT_SETTINGS, Program
    from zoho_pipeline.cli.push import push
    from zoho_pipeline.cli.simulator import simulator
    from zoho_pipeline.cli.web import web
    from zoho_pipeline.cli.web.agents import mcp
    from zoho_pipeline.cli.web.forms import forms
    from zoho_pipeline.cli.web.serve import serve
    from zoho_pipeline.cli.web.work import work
    from zoho_pipeline.cli.writeback import writeback
except KeyboardInterrupt:  # the imports take a part of a second
    sys.stderr.write("stopped by Ctrl-C: nothing was done.\n")
    raise SystemExit(130) from None


@click.group("zoho-pipeline", cls=Program, context_settings=CONTEXT_SETTINGS)
@click.version_option(package_name="zoho-pipeline")
def main() -> None:
    """Load Zoho CRM into a warehouse, and compute lead sources, conversion and speed to lead.

    A channel is one connected Zoho CRM org. You choose its ID, for example acme. Settings are environment
    variables, or lines of a file .env in the current folder. The pipeline stores all its data in the folder
    ZOHO_PIPELINE_HOME (./data if it is not set).

    \b
    Try it without a Zoho account:   zoho-pipeline demo
    Connect your Zoho CRM:           zoho-pipeline connect acme --data-center in
    Every day:                       zoho-pipeline sync && zoho-pipeline transform
    Read the result:                 zoho-pipeline insight acme
    """


COMMANDS = (
    connect,
    channels,
    content,
    sync,
    reconcile,
    transform,
    insight,
    sql,
    export,
    dashboard,
    serve,
    work,
    web,
    push,
    writeback,
    forms,
    mcp,
    simulator,
    demo,
)
for command in COMMANDS:
    main.add_command(command)
