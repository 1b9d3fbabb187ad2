"""A camera over RTSP for tests: `python3 rtsp_program.py PORT`, with the options of `--help`.

Runs under the system's Python with Debian's GStreamer. The image is a grey street with a bright bar that
moves and noise below it, at 25 frames a second; with `--frames` it is a folder of JPEG images in a loop.
Commands on standard input, one a line: `freeze`, `thaw`, `still` (the bar stands, the noise goes on),
`moving`, `size WIDTH HEIGHT`, `silence`, `sound`; all but the last two need the grey street. Prints `ready`
once it listens.
"""

import argparse
import os
import sys

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstRtsp", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import GLib, Gst, GstRtsp, GstRtspServer  # noqa: E402  # after the versions are chosen

FPS = 25
ENCODERS = {
    "h264": "x264enc tune=zerolatency sliced-threads=false threads=1 speed-preset=ultrafast key-int-max=25 "
    "bitrate={rate} ! identity drop-probability={loss} ! rtph264pay name=pay0 pt=96 config-interval=-1",
    "mjpeg": "jpegenc quality=90 ! identity drop-probability={loss} ! rtpjpegpay name=pay0 pt=26",
}


class Street:
    """The image, in I420."""

    def __init__(self, width: int, height: int) -> None:
        self.size = (width, height)
        self.frozen = self.still = self.silent = False
        self._number = 0
        self._last = b""

    def caps(self) -> str:
        width, height = self.size
        return f"video/x-raw,format=I420,width={width},height={height},framerate={FPS}/1"

    def next_image(self) -> bytes:
        width, height = self.size
        if self.frozen and self._last:
            return self._last
        self._number += 1
        at = 0 if self.still else self._number * 4 % (width - 16)
        row = b"\x50" * at + b"\xe0" * 16 + b"\x50" * (width - at - 16)
        noise = bytes(64 + value // 32 for value in os.urandom(width))
        half = height // 2
        luma = row * half + b"".join(noise[i % width :] + noise[: i % width] for i in range(half))
        self._last = luma + b"\x80" * (width * height // 2)
        return self._last


class Camera:
    """The server with its one stream, `/street`."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.street = Street(320, 240)
        self._sources: list[Gst.Element] = []
        self._server = GstRtspServer.RTSPServer()
        self._server.set_address(options.host)
        self._server.set_service(str(options.port))
        factory = GstRtspServer.RTSPMediaFactory()
        encoder = ENCODERS["mjpeg" if options.mjpeg else "h264"]
        source = f"appsrc name=image is-live=true format=time do-timestamp=true caps={self.street.caps()}"
        if options.frames:
            source = (
                f'multifilesrc location="{options.frames}/%05d.jpg" loop=true '
                f"caps=image/jpeg,framerate={options.fps}/1 ! jpegdec ! videoconvert"
            )
        factory.set_launch(f"( {source} ! {encoder.format(loss=options.loss, rate=options.rate)} )")
        factory.set_shared(True)
        if options.udp:
            factory.set_protocols(GstRtsp.RTSPLowerTrans.UDP)
        factory.connect("media-configure", self._configure)
        if options.user:
            self._demand(factory, options.user, options.password)
        self._server.get_mount_points().add_factory("/street", factory)

    def run(self) -> None:
        """Serve until standard input ends."""
        loop = GLib.MainLoop()
        if not self._server.attach(None):
            raise SystemExit("the port is taken")
        GLib.timeout_add(1000 // FPS, self._push)
        GLib.io_add_watch(sys.stdin, GLib.PRIORITY_DEFAULT, GLib.IO_IN | GLib.IO_HUP, self._command, loop)
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        loop.run()

    def _demand(self, factory: GstRtspServer.RTSPMediaFactory, user: str, password: str) -> None:
        auth, token = GstRtspServer.RTSPAuth(), GstRtspServer.RTSPToken()
        token.set_string("media.factory.role", "viewer")
        auth.set_supported_methods(GstRtsp.RTSPAuthMethod.DIGEST)
        auth.add_digest(user, password, token)
        self._server.set_auth(auth)
        structure = Gst.Structure.new_from_string(
            "viewer, media.factory.access=(boolean)true, media.factory.construct=(boolean)true"
        )
        factory.add_role_from_structure(structure)

    def _configure(self, factory: object, media: GstRtspServer.RTSPMedia) -> None:
        source = media.get_element().get_by_name("image")
        if source is None:
            return
        source.set_property("caps", Gst.Caps.from_string(self.street.caps()))
        self._sources.append(source)
        media.connect("unprepared", lambda gone: self._sources.remove(source))

    def _push(self) -> bool:
        if self._sources and not self.street.silent:
            image = self.street.next_image()
            for source in self._sources:
                buffer = Gst.Buffer.new_allocate(None, len(image), None)
                buffer.fill(0, image)
                source.emit("push-buffer", buffer)
        return True

    def _command(self, channel: object, condition: int, loop: GLib.MainLoop) -> bool:
        words = sys.stdin.readline().split()
        if not words:
            loop.quit()
            return False
        if words[0] == "size":
            self.street.size = (int(words[1]), int(words[2]))
            for source in self._sources:
                source.set_property("caps", Gst.Caps.from_string(self.street.caps()))
        self.street.frozen = {"freeze": True, "thaw": False}.get(words[0], self.street.frozen)
        self.street.still = {"still": True, "moving": False}.get(words[0], self.street.still)
        self.street.silent = {"silence": True, "sound": False}.get(words[0], self.street.silent)
        return True


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("port", type=int)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--user")
    parser.add_argument("--password")
    parser.add_argument("--udp", action="store_true", help="refuse RTP over TCP")
    parser.add_argument("--loss", type=float, default=0.0, help="fraction of the coded images that is lost")
    parser.add_argument("--mjpeg", action="store_true")
    parser.add_argument("--frames", help="folder of 00000.jpg, 00001.jpg ... to send in a loop")
    parser.add_argument("--fps", type=int, default=5, help="images of --frames a second")
    parser.add_argument("--rate", type=int, default=2000, help="of H.264, in kbit/s")
    Gst.init(None)
    Camera(parser.parse_args()).run()
