"""The sizes and times of one worker, each with its reason. A test passes others to the constructor."""

from dataclasses import dataclass, field
from datetime import timedelta

from zoho_pipeline.channels.sync_requests import model, workers
from zoho_pipeline.push.limits import PushLimits
from zoho_pipeline.writeback.limits import WritebackLimits


@dataclass(frozen=True)
class WorkerLimits:
    """How much a worker does at once, and how often it looks.

    Attributes:
        threads: syncs at the same time. One slow org then holds up nobody else.
        lease: how long a claim of a request holds without a sign of life. A third of it passes between two signs.
        worker_lease: how long this worker counts as alive without a heartbeat.
        pulse_seconds: between two writes of progress.
        poll_seconds: between two looks for new requests and deliveries.
        first_syncs_seconds: between two looks for channels that were never synced.
        busy_wait: how long a request waits whose channel another process has in use.
        between_publications: seconds between two publications on DuckDB, because some of them copy the whole file.
        stop_seconds: how long a stopping worker waits for its syncs to reach a checkpoint. What has not ended then is
            given back. Ten seconds is what process managers wait before they kill.
        interrupted_seconds: the same after Ctrl-C. A person waits, and the whole command ends within two seconds.
        deliveries: webhook deliveries at the same time.
        delivery_seconds: within which an endpoint must answer.
        delivery_lease: how long a claim of a delivery holds.
        forms_seconds: between two loads of what forms sent.
        push: sizes and times of the work that notifications cause.
        writeback: the limits of write-back.
    """

    threads: int = 4
    lease: timedelta = model.LEASE
    worker_lease: timedelta = workers.LEASE
    pulse_seconds: float = 1.0
    poll_seconds: float = 1.0
    first_syncs_seconds: float = 10.0
    busy_wait: timedelta = timedelta(seconds=10)
    between_publications: float = 15.0
    stop_seconds: float = 7.0
    interrupted_seconds: float = 1.0
    deliveries: int = 16
    delivery_seconds: float = 10.0
    delivery_lease: timedelta = timedelta(seconds=60)
    forms_seconds: float = 20.0
    push: PushLimits = field(default_factory=PushLimits)
    writeback: WritebackLimits = field(default_factory=WritebackLimits)
