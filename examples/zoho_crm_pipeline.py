"""Load a Zoho CRM org with a dlt pipeline of your own: `python examples/zoho_crm_pipeline.py`.

It needs `.dlt/secrets.toml` with `[sources.zoho_crm.credentials]` (see docs/dlt-source.md), and `data_center` in
`.dlt/config.toml`. Run it again to load what changed since then.
"""

import dlt

from zoho_pipeline import run_in_steps, zoho_crm


def main() -> None:
    pipeline = dlt.pipeline("zoho", destination="duckdb", dataset_name="crm")
    source = zoho_crm(modules=["Leads", "Contacts", "Deals"], max_rows=50_000)
    for step in run_in_steps(pipeline, source):
        print(step)


if __name__ == "__main__":
    main()
