"""API routes of the configuration: the settings in effect without secrets, their schema, the messages."""

from collections.abc import Mapping
from typing import Any

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, SecretStr

from cloud.api.entity_tags import tagged
from cloud.api.services import CloudServices
from cloud.settings import CloudSettings
from messaging.api.configuration import ConfigurationResource, ConfigurationSchema

router = APIRouter(prefix="/configuration", tags=["configuration"])


@router.get("", response_model=ConfigurationResource)
def configuration(services: CloudServices, request: Request) -> Response:
    """The settings in effect, with all defaults and overrides; secrets are left out."""
    return tagged(request, ConfigurationResource(settings=_without_secrets(services.settings)))


@router.get("/schema", response_model=ConfigurationSchema)
def schema(request: Request) -> Response:
    """The JSON Schema of the configuration file."""
    return tagged(request, ConfigurationSchema(settings=CloudSettings.model_json_schema()))


def _without_secrets(model: BaseModel) -> dict[str, Any]:
    shown = model.model_dump(mode="json")
    return {name: _shown(getattr(model, name), shown[name]) for name in shown if not _is_secret(model, name)}


def _is_secret(model: BaseModel, name: str) -> bool:
    return isinstance(getattr(model, name, None), SecretStr)


def _shown(value: object, dumped: Any) -> Any:
    if isinstance(value, BaseModel):
        return _without_secrets(value)
    if isinstance(value, list | tuple):
        return [_shown(one, other) for one, other in zip(value, dumped, strict=True)]
    if isinstance(value, Mapping):
        return {str(k): _shown(v, dumped[str(k)]) for k, v in value.items() if not isinstance(v, SecretStr)}
    return dumped
