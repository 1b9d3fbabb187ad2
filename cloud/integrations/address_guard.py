"""Which addresses an integration may connect to. Pure.

An integration must not become a way into this machine or the network around it (server-side request forgery),
whatever a name resolves to at the moment of connecting. IPv6 addresses that stand for an IPv4 address are
judged by it.
"""

from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address

_NAT64 = IPv6Network("64:ff9b::/96")


def is_allowed(address: str, *, allow_private: bool) -> bool:
    """Whether a numeric address may be connected to; private ones and loopback only with `allow_private`.

    Never allowed: multicast, unspecified, and link-local addresses, at which clouds keep their credentials.
    """
    try:
        ip = _embedded(ip_address(address.partition("%")[0]))
    except ValueError:
        return False
    if ip.is_multicast or ip.is_unspecified or ip.is_link_local:
        return False
    return allow_private or (ip.is_global and not ip.is_reserved)


def _embedded(ip: IPv4Address | IPv6Address) -> IPv4Address | IPv6Address:
    """The IPv4 address that an IPv6 address stands for, or the address itself."""
    if isinstance(ip, IPv4Address):
        return ip
    if ip in _NAT64:
        return IPv4Address(int(ip) & 0xFFFFFFFF)
    return ip.ipv4_mapped or ip.sixtofour or ip
