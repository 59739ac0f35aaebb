"""Have the Debian packages that tests need: install them through apt when root, else say what to install.

Only `make test` and `make bench` need them; ThatDAM itself needs none.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

NEEDED = {
    "chromium": ["chromium"],
    "ffmpeg": ["ffmpeg"],
    "ip": ["iproute2"],
    "nft": ["nftables"],
}
BENCHMARKS = {"serf": ["serf"]}
"""What `make bench` measures beside; tests do without."""

RTSP_PACKAGES = [
    "gir1.2-gst-rtsp-server-1.0",
    "python3-gi",
    "gstreamer1.0-plugins-good",
    "gstreamer1.0-plugins-bad",
    "gstreamer1.0-plugins-ugly",
]


def _rtsp_server_there() -> bool:
    probe = "import gi; gi.require_version('GstRtspServer', '1.0'); from gi.repository import GstRtspServer"
    python = "/usr/bin/python3"
    if not os.path.exists(python):
        return False
    return subprocess.run([python, "-c", probe], capture_output=True, check=False).returncode == 0


def main() -> int:
    """Install what is missing, or say it."""
    needed = {**NEEDED, **(BENCHMARKS if "--bench" in sys.argv[1:] else {})}
    missing = [package for program, names in needed.items() if shutil.which(program) is None for package in names]
    if not _rtsp_server_there():
        missing += RTSP_PACKAGES
    if not missing:
        return 0
    if shutil.which("apt-get") is None or os.geteuid() != 0:
        print("The tests need these Debian packages: " + " ".join(missing), file=sys.stderr)
        print("Install them with:  sudo apt-get install " + " ".join(missing), file=sys.stderr)
        return 1
    print("installing " + " ".join(missing), flush=True)
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for command in (
        ["apt-get", "update", "-q"],
        ["apt-get", "install", "-y", "-q", "--no-install-recommends", *missing],
    ):
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        if done.returncode:
            print(done.stdout[-2000:] + done.stderr[-2000:], file=sys.stderr)
            print("could not install the packages; see above", file=sys.stderr)
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
