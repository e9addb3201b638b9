"""The routes of a consent."""

from fastapi import APIRouter

router = APIRouter(tags=["connect"])
