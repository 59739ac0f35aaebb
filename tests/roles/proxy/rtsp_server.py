"""An RTSP camera for tests, run by the system's Python, which has GStreamer: ``rtsp_server.py PORT [USER PASSWORD]``.

It serves /cam: H.264 at 25 pictures a second and G.711. Orders come as lines on its input: ``stall-video``,
``stall``, ``size W H``, ``jump SECONDS`` (how far from the truth its times are from now on). It says ``ready`` once it
listens.
"""

import sys

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import GLib, Gst, GstRtspServer  # noqa: E402

LAUNCH = (
    "( videotestsrc is-live=true ! capsfilter name=size caps=video/x-raw,width=320,height=240,framerate=25/1 "
    "! x264enc tune=zerolatency speed-preset=ultrafast key-int-max=25 name=encoder "
    "! video/x-h264,profile=baseline ! valve name=video ! rtph264pay name=pay0 pt=96 config-interval=-1 "
    "audiotestsrc is-live=true samplesperbuffer=160 ! audio/x-raw,rate=8000,channels=1 ! alawenc ! valve name=sound "
    "! rtppcmapay name=pay1 pt=8 )"
)


class Camera:
    def __init__(self, port, user, password):
        self.element = None
        server = GstRtspServer.RTSPServer(address="127.0.0.1", service=str(port))
        factory = GstRtspServer.RTSPMediaFactory()
        factory.set_launch(LAUNCH)
        factory.set_shared(True)
        factory.connect("media-configure", self.configured)
        if user:
            auth = GstRtspServer.RTSPAuth()
            token = GstRtspServer.RTSPToken()
            token.set_string("media.factory.role", "user")
            auth.add_basic(GstRtspServer.RTSPAuth.make_basic(user, password), token)
            server.set_auth(auth)
            allowed = GstRtspServer.RTSPPermissions()
            allowed.add_role("user")
            allowed.add_permission_for_role("user", "media.factory.access", True)
            allowed.add_permission_for_role("user", "media.factory.construct", True)
            factory.set_permissions(allowed)
        server.get_mount_points().add_factory("/cam", factory)
        if not server.attach(None):
            sys.exit("the port is taken")

    def configured(self, factory, media):
        self.element = media.get_element()

    def part(self, name):
        return self.element.get_by_name_recurse_up(name) if self.element else None

    def unsynchronised(self):
        """Have the sinks send what comes when it comes: they would wait for the time it says."""
        top = self.element
        while top.get_parent() is not None:
            top = top.get_parent()
        sinks = top.iterate_sinks()
        while True:
            found, sink = sinks.next()
            if found != Gst.IteratorResult.OK:
                return
            sink.set_property("sync", False)

    def order(self, words):
        if self.element is None:
            return
        match words:
            case ["stall-video"]:
                self.part("video").set_property("drop", True)
            case ["stall"]:
                self.part("video").set_property("drop", True)
                self.part("sound").set_property("drop", True)
            case ["size", width, height]:
                caps = f"video/x-raw,width={width},height={height},framerate=25/1"
                self.part("size").set_property("caps", Gst.Caps.from_string(caps))
            case ["jump", seconds]:
                self.unsynchronised()
                for name in ("video", "sound"):
                    self.part(name).get_static_pad("src").set_offset(int(float(seconds) * Gst.SECOND))


def main():
    Gst.init(None)
    words = [*sys.argv[1:], "", ""]
    camera = Camera(int(words[0]), words[1], words[2])
    loop = GLib.MainLoop()

    def heard(source, condition):
        line = sys.stdin.readline()
        if not line:
            loop.quit()
            return False
        camera.order(line.split())
        return True

    GLib.io_add_watch(sys.stdin, GLib.IO_IN | GLib.IO_HUP, heard)
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    loop.run()


if __name__ == "__main__":
    main()
