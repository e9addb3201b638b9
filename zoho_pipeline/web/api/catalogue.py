"""`GET /v1/catalogue`: which channel types can be connected. It needs no proof of who asks."""

from fastapi import APIRouter
from pydantic import BaseModel

router = APIRouter(prefix="/v1", tags=["catalogue"])


class ChannelType(BaseModel):
    """A type of channel, as the platform shows it in its list of channels."""

    type: str
    name: str
