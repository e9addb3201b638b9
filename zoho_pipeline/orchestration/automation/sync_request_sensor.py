"""The sensor `sync_requests`: Dagster does the requested syncs where no worker lives.

A tick takes queued requests and asks for one run of `sync_channels` each. The following ticks keep the claim alive
while the run works and the marts are refreshed, and end the request. If the daemon stops, the claims end after their
lease, and a worker or a later tick takes the requests.
"""

from collections.abc import Iterator

import dagster as dg

from zoho_pipeline.orchestration.instance.asset_job import AssetJob
from zoho_pipeline.orchestration.naming import Naming


def build_sync_request_sensor(naming: Naming, sync: AssetJob) -> dg.SensorDefinition:
    """The sensor `sync_requests`, switched on by default."""

    @dg.sensor(
        name=naming.name("sync_requests"),
        job=sync,
        required_resource_keys={naming.resource},
        minimum_interval_seconds=10,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Where no worker lives: starts a sync for each request of the web server, and ends the request "
        "when the marts show its rows. A tag of the run says who asked.",
    )
    def sync_requests(context: dg.SensorEvaluationContext) -> Iterator[dg.RunRequest | dg.SkipReason]:
        from zoho_pipeline.orchestration.automation.requested_syncs import next_steps

        yield from next_steps(context.instance, naming, naming.services(context.resources).registry)

    return sync_requests
