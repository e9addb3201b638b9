"""The published world for the tests of this folder."""

from tests.web.world import channels, world

__all__ = ["channels", "world"]
