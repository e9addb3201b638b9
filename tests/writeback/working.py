"""`python -m tests.writeback.working`: a process that sends wishes until it is killed."""

from tests.writeback.conftest import QUICK
from zoho_pipeline.channels.registry.registry import Registry
from zoho_pipeline.settings import load_settings
from zoho_pipeline.writeback.sender import WritebackSender

if __name__ == "__main__":
    WritebackSender(Registry(load_settings()), "dying", QUICK).run()
