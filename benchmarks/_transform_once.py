"""One full rebuild in a process of its own: `python -m benchmarks._transform_once URL BYTES` prints what it took."""

import json
import sys
import time
from pathlib import Path

from benchmarks._peak_memory import peak_memory
from zoho_pipeline.settings import Settings
from zoho_pipeline.transform.run.transform import transform
from zoho_pipeline.warehouse.warehouse import open_warehouse


def main(url: str, memory: int) -> None:
    settings = Settings(home=Path(), warehouse_url=url, registry_url="", transform_memory=memory)
    numbers: list[str] = []
    began = time.process_time()
    transform(open_warehouse(settings), full=True, on_model=lambda model: numbers.append(model.name))
    taken = {
        "cpu": time.process_time() - began,
        "peak": peak_memory(),
        "batches": numbers.count("channel_insight"),
    }
    print(json.dumps(taken))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
