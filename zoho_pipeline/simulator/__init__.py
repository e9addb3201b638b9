"""The simulator: a local Zoho CRM that answers over HTTP as the real one does.

Here belongs everything that plays Zoho; the demo company is in `demo/`. No other package of the pipeline belongs
here: the simulator is written from Zoho's protocol, so that one misreading cannot hide on both sides.
Tests, benchmarks, `zoho-pipeline simulator` and `zoho-pipeline demo` use it.
Read `handle.py` first, then `org_handle.py`.

>>> with Simulator.start() as sim:
...     org = sim.add_org(name="Acme", time_zone="Asia/Kolkata")
...     lead = org.insert("Leads", {"Last_Name": "Rao"})
...     token = org.grant("client", "secret", "ZohoCRM.modules.ALL")
"""

from zoho_pipeline.simulator.clock import Clock
from zoho_pipeline.simulator.handle import Simulator
from zoho_pipeline.simulator.org_handle import OrgHandle as Org
from zoho_pipeline.simulator.state.fields import Pick
from zoho_pipeline.simulator.state.users import User
from zoho_pipeline.simulator.switches import Switches
from zoho_pipeline.simulator.wire import SimulatorError

__all__ = ["Clock", "Org", "Pick", "Simulator", "SimulatorError", "Switches", "User"]
