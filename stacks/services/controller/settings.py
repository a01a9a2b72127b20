"""Settings of the controller."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from ...deploy.envoy.bootstrap import Listen
from ...deploy.envoy.names import EVERYWHERE, Address
from ..common.settings import Settings


class FolderSettings(Settings):
    """What both containers of the gateway's pod read."""

    folder: Path = Field(Path("/run/gateway"), alias="GATEWAY_FOLDER", description="folder of Envoy's files")


class ControllerSettings(FolderSettings):
    """The environment of the controller."""

    requests_port: int = Field(8080, alias="GATEWAY_PORT", ge=1, le=65535, description="port of the gateway for requests")
    metrics_port: int = Field(9464, alias="GATEWAY_METRICS_PORT", ge=1, le=65535, description="port of its metrics and probes")
    admin_port: int = Field(9901, alias="GATEWAY_ADMIN_PORT", ge=1, le=65535, description="port of its admin interface")
    gateway_host: str = Field(EVERYWHERE, alias="GATEWAY_HOST", min_length=1, description="address that the gateway listens on")
    namespace: str = Field(
        "", alias="CONTROLLER_NAMESPACE", pattern=r"^[a-z0-9-]{0,63}$", description="namespace of the drill; the pod's if not set"
    )
    servers_port: int = Field(8080, alias="CONTROLLER_SERVERS_PORT", ge=1, le=65535, description="port of the model servers")
    pipeline_url: str = Field(
        "", alias="CONTROLLER_PIPELINE_URL", pattern=r"^(https?://[^\s/]+/?)?$", description="the pipeline, as http://HOST:PORT"
    )
    scenario: Path | None = Field(None, alias="DRILL_SCENARIO", description="file with the scenario as JSON")

    @property
    def listen(self) -> Listen:
        """Where Envoy listens."""
        host = self.gateway_host
        return Listen(Address(host, self.requests_port), Address(host, self.metrics_port), Address("127.0.0.1", self.admin_port))
