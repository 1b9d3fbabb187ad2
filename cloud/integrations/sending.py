"""From a notice to an attempt: the format and the way of each kind of integration."""

from collections.abc import Callable, Mapping

from cloud.integration_settings import (
    CapSettings,
    HttpIntegration,
    Integration,
    MqttSettings,
    NgsiLdSettings,
    WebhookSettings,
)
from cloud.integrations import cap, cloud_events, ngsi_ld
from cloud.integrations.http_client import HttpRequest, post
from cloud.integrations.mqtt_client import MqttAccess, publish
from cloud.integrations.notice import Notice
from cloud.integrations.outcome import Result, SendOutcome
from cloud.integrations.signature import signature_headers

Send = Callable[[Notice], SendOutcome]


def sender_of(settings: Integration, clock: Callable[[], float], mqtt: MqttAccess | None) -> Send:
    """What sends a notice to an integration. `clock`: seconds since 1970. `mqtt`: the hub's listener."""
    if isinstance(settings, MqttSettings):
        return lambda notice: _publish(settings, notice, mqtt)
    return lambda notice: post(
        request_of(settings, notice, int(clock())),
        timeout_s=settings.timeout_s,
        allow_private=settings.allow_private,
    )


def request_of(settings: HttpIntegration, notice: Notice, sent_at: int) -> HttpRequest:
    """The request that takes a notice to an integration. Pure."""
    url = settings.url.get_secret_value()
    headers: Mapping[str, str]
    match settings:
        case WebhookSettings():
            body = cloud_events.cloud_event(notice)
            headers = {
                "Content-Type": cloud_events.CONTENT_TYPE,
                **signature_headers(settings.keys, message_id=notice.id, sent_at=sent_at, body=body),
            }
        case NgsiLdSettings():
            body = ngsi_ld.upsert_body(notice, settings.categories)
            url = url.rstrip("/") + ngsi_ld.UPSERT_PATH
            tenant = {"NGSILD-Tenant": settings.tenant} if settings.tenant else {}
            headers = {"Content-Type": ngsi_ld.CONTENT_TYPE, **tenant}
        case CapSettings():
            body = cap.cap_alert(notice, settings)
            headers = {"Content-Type": cap.CONTENT_TYPE}
    if settings.token is not None:
        headers = {**headers, "Authorization": f"Bearer {settings.token.get_secret_value()}"}
    return HttpRequest(url, headers, body)


def topic_of(settings: MqttSettings, notice: Notice) -> str:
    """The topic of a notice: TOPIC/SITE/CAMERA. Pure."""
    return f"{settings.topic}/{notice.hazard.site}/{notice.hazard.camera}"


def _publish(settings: MqttSettings, notice: Notice, mqtt: MqttAccess | None) -> SendOutcome:
    if mqtt is None:
        return SendOutcome(Result.FAILED, "this cloud's hub has no MQTT listener; set hub.mqtt")
    body = cloud_events.cloud_event(notice)
    return publish(mqtt, topic_of(settings, notice), body, timeout_s=settings.timeout_s)
