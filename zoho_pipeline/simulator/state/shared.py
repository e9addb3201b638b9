"""What all orgs of one simulator share: the lock, the clock, the switches and the tokens."""

import threading

from zoho_pipeline.simulator.clock import Clock
from zoho_pipeline.simulator.state.tokens import TokenDesk
from zoho_pipeline.simulator.switches import Switches


class Shared:
    """Functions that change an org take the org and this. Whoever changes anything holds `lock`."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.announced = threading.Event()  # set when a change waits to be told; the courier clears it
        self.reset()

    def reset(self) -> None:
        """Start with a new clock, default switches and no tokens; the lock stays."""
        self.clock = Clock()
        self.switches = Switches()
        self.tokens = TokenDesk(self.clock, self.switches)
