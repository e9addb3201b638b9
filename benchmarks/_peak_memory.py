"""The peak of the memory of this process."""

import re
import resource
from pathlib import Path

STATUS = Path("/proc/self/status")


def peak_memory() -> int:
    """Bytes that were in memory at most, since this program began.

    `ru_maxrss` alone would include the process that started this one, if that one was larger: after 100 × 10,000 leads,
    a run in batches and a run in one both showed 2.0 GB. Another kernel than Linux has only `ru_maxrss`.
    """
    if STATUS.exists() and (peak := re.search(r"VmHWM:\s*(\d+) kB", STATUS.read_text())):
        return int(peak[1]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
