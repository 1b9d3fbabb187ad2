"""The REST API's types of the configuration."""

from typing import Any

from messaging.resources import Resource


class ConfigurationResource(Resource):
    """The settings in effect, as in the configuration file, without secrets."""

    settings: dict[str, Any]


class ConfigurationSchema(Resource):
    """The JSON Schema of the configuration file."""

    settings: dict[str, Any]
