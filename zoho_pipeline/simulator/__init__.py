"""A Zoho CRM to talk to: written from the protocol, importing nothing of the pipeline.

>>> with Simulator.start() as sim:
...     org = sim.add_org(name="Acme", time_zone="Asia/Kolkata")
...     lead = org.insert("Leads", {"Last_Name": "Rao"})
...     token = org.grant("client", "secret", "ZohoCRM.modules.ALL")
"""

from .clock import Clock
from .fields import Pick
from .handle import Simulator
from .org import Org
from .people import User
from .switches import Switches
from .wire import SimulatorError

__all__ = ["Clock", "Org", "Pick", "Simulator", "SimulatorError", "Switches", "User"]
