"""Addresses of cameras that carry a secret, in every place where cameras are known to carry one."""

SECRET = "geheim"
SOURCES = {
    "plain": "rtsp://admin:geheim@127.0.0.1:{port}/x",
    "capital": "RTSP://admin:geheim@127.0.0.1:{port}/x",
    "query": "http://127.0.0.1:{port}/cgi-bin/mjpg?user=admin&pwd=geheim",
    "path": "rtsp://127.0.0.1:{port}/user=admin_password=geheim_channel=1_stream=0.sdp",
    "web-path": "http://127.0.0.1:{port}/live/geheim/mjpg",
    "quotes": "rtsp://admin:ge'heim\"geheim@127.0.0.1:{port}/x",
    "encrypted": "rtsps://admin:geheim@127.0.0.1:{port}/x",
    "web": "https://geheim:geheim@127.0.0.1:{port}/x?token=geheim",
    "key": "rtmp://127.0.0.1:{port}/live/geheim",
    "user-key": "rtmps://admin:geheim@127.0.0.1:{port}/live/geheim",
    "passphrase": "srt://127.0.0.1:{port}?streamid=geheim&passphrase=geheimgeheim",
    "no-host": "rtsp://admin:geheim@camera.invalid/geheim",
}


def configuration(data: str, mirror: str, trust: str, *, port: int) -> str:
    """The YAML text of a node with all these cameras; its broker is at the same port."""
    lines = [f"site: north\ndata: {data}\nmirror: {mirror}\ntrust: {trust}"]
    lines += [f"broker: {{url: 'nats://node:geheim@127.0.0.1:{port}'}}", "cameras:"]
    for name, source in SOURCES.items():
        quoted = source.format(port=port).replace("'", "''")
        lines.append(f"  - {{name: {name}, source: '{quoted}'}}")
    return "\n".join(lines) + "\n"
