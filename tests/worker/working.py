"""`python -m tests.worker.working LEASE_SECONDS`: a worker with a short lease in a process of its own, to be killed."""

import sys
from dataclasses import replace
from datetime import timedelta

from tests.ingest.conftest import QUICK
from tests.worker.conftest import QUICK_WORK, SERVICE
from zoho_pipeline.settings import load_settings
from zoho_pipeline.worker.worker import Worker

if __name__ == "__main__":
    limits = replace(QUICK_WORK, lease=timedelta(seconds=float(sys.argv[1])))
    Worker(load_settings(), SERVICE, limits=limits, sync_limits=QUICK).run()
