"""What NetworkPolicies of Kubernetes allow: the semantics of `networking.k8s.io/v1`, in one namespace.

A pod that no policy selects for a direction is free in it. Otherwise it may do what some rule of some policy
that selects it allows. A connection between two pods needs both: egress of the one, ingress of the other.
Selectors by namespace or by expression are refused, since no policy here has any.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from ipaddress import ip_address, ip_network
from typing import Any

Labels = Mapping[str, str]
Policy = Mapping[str, Any]


@dataclass(frozen=True)
class Target:
    """Where a connection goes: to a pod with these labels, or to an address outside of the cluster's pods."""

    port: int
    labels: tuple[tuple[str, str], ...] | None = None
    address: str | None = None
    protocol: str = "TCP"


def selects(selector: Mapping[str, Any], labels: Labels) -> bool:
    """Whether a pod selector selects a pod. Raises `ValueError` for a selector by expression."""
    if unknown := set(selector) - {"matchLabels"}:
        raise ValueError(f"a selector by {', '.join(sorted(unknown))} is not understood")
    return all(labels.get(key) == value for key, value in selector.get("matchLabels", {}).items())


def may_connect(policies: Sequence[Policy], source: Labels, target: Target) -> bool:
    """Whether a pod with the labels `source` may open this connection."""
    if not _allowed(policies, "Egress", source, target, target):
        return False
    if target.labels is None:
        return True
    caller = Target(target.port, labels=tuple(source.items()), protocol=target.protocol)
    return _allowed(policies, "Ingress", dict(target.labels), caller, target)


def _allowed(policies: Sequence[Policy], direction: str, pod: Labels, peer: Target, target: Target) -> bool:
    specs = [one["spec"] for one in policies if selects(one["spec"]["podSelector"], pod)]
    isolating = [spec for spec in specs if direction in _directions(spec)]
    if not isolating:
        return True
    peers = "to" if direction == "Egress" else "from"
    rules = [rule for spec in isolating for rule in spec.get(direction.lower(), ())]
    return any(_is_peer(rule.get(peers), peer) and _is_port(rule.get("ports"), target) for rule in rules)


def _directions(spec: Mapping[str, Any]) -> Sequence[str]:
    default = ["Ingress", "Egress"] if "egress" in spec else ["Ingress"]
    return list(spec.get("policyTypes", default))


def _is_peer(peers: Sequence[Mapping[str, Any]] | None, peer: Target) -> bool:
    return not peers or any(_matches(one, peer) for one in peers)


def _matches(one: Mapping[str, Any], peer: Target) -> bool:
    if unknown := set(one) - {"podSelector", "ipBlock"}:
        raise ValueError(f"a peer by {', '.join(sorted(unknown))} is not understood")
    if "podSelector" in one:
        return peer.labels is not None and selects(one["podSelector"], dict(peer.labels))
    if peer.address is None:
        return False
    block, address = one["ipBlock"], ip_address(peer.address)
    inside = address in ip_network(block["cidr"])
    return inside and not any(address in ip_network(hole) for hole in block.get("except", ()))


def _is_port(ports: Sequence[Mapping[str, Any]] | None, target: Target) -> bool:
    return not ports or any(
        one.get("protocol", "TCP") == target.protocol
        and ("port" not in one or one["port"] <= target.port <= one.get("endPort", one["port"]))
        for one in ports
    )
