"""`GET /v1/catalogue`: which channel types can be connected. It needs no proof of who asks."""

import hashlib
import json

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, Field

from zoho_pipeline.web.services import services
from zoho_pipeline.zoho.accounts.data_centers import DataCenters

router = APIRouter(prefix="/v1", tags=["catalogue"])


class ChannelType(BaseModel):
    """A type of channel, as the platform shows it in its list of channels."""

    type: str = Field(description="The name of the type in programs.")
    name: str = Field(description="The name of the type for people.")
    iconKey: str = Field(description="The key of the icon.")
    description: str = Field(description="What the channel does, in one sentence.")
    authenticationType: str = Field(description="How a user connects: always `oauth2`.")
    requiresUrl: bool = Field(description="Whether a user must type the address of the system.")
    isActive: bool = Field(description="Whether the type can be connected.")
    categories: list[str] = Field(description="What kind of system it is.")
    regions: list[str] = Field(description="The data centres; `region` of a consent takes one of them.")


@router.get("/catalogue", response_model=list[ChannelType], responses={304: {"description": "It did not change."}})
def get_catalogue(request: Request) -> Response:
    """The channel types that can be connected. The answer has an ETag."""
    centers = DataCenters.with_added(services(request).settings.data_centers)
    zoho = ChannelType(
        type="ZohoCRM",
        name="Zoho CRM",
        iconKey="zoho",
        description="Import leads from Zoho CRM and measure content-to-lead attribution.",
        authenticationType="oauth2",
        requiresUrl=False,
        isActive=True,
        categories=["crm"],
        regions=[center.name for center in centers],
    )
    body = json.dumps([zoho.model_dump()], separators=(",", ":")).encode()
    return tagged(request, body, "application/json")


def tagged(request: Request, body: bytes, media_type: str, cache: str = "no-cache") -> Response:
    """The body with an ETag, or 304 where the caller has it already."""
    tag = f'"{hashlib.sha256(body).hexdigest()[:32]}"'
    headers = {"ETag": tag, "Cache-Control": cache}
    known = [given.strip().removeprefix("W/") for given in request.headers.get("If-None-Match", "").split(",")]
    if tag in known or known == ["*"]:
        return Response(status_code=304, headers=headers)
    return Response(body, media_type=media_type, headers=headers)
