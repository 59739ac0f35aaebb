"""A WHEP viewer of its own, to run on a test's host: ``whep_viewer.py CLI_JSON CAMERA SECONDS``.

It prints what it saw as JSON: width, height, pictures, and seconds to the first of them.
"""

import asyncio
import json
import sys
import time
from pathlib import Path

import httpx
from aiortc import RTCConfiguration, RTCPeerConnection, RTCSessionDescription


async def watch(access, camera, seconds):
    began = time.monotonic()
    headers = {"Authorization": f"Bearer {access['token']}"}
    async with httpx.AsyncClient(base_url=access["url"], headers=headers, timeout=30) as http:
        peer = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        peer.addTransceiver("video", direction="recvonly")
        tracks = []
        peer.on("track", tracks.append)
        await peer.setLocalDescription(await peer.createOffer())
        offer, kind = peer.localDescription.sdp, {"Content-Type": "application/sdp"}
        answer = await http.post(f"/whep/{camera}", content=offer, headers=kind)
        if answer.status_code != 201:
            return {"status": answer.status_code, **answer.json()}
        await peer.setRemoteDescription(RTCSessionDescription(answer.text, "answer"))
        frame, first, pictures = None, None, 0
        try:
            async with asyncio.timeout(seconds):
                while True:
                    frame = await tracks[0].recv()
                    pictures += 1
                    first = first or time.monotonic() - began
        except TimeoutError:
            pass
        await http.delete(answer.headers["location"])
        await peer.close()
    size = (frame.width, frame.height) if frame else (0, 0)
    return {"status": 201, "width": size[0], "height": size[1], "pictures": pictures, "first_s": first}


if __name__ == "__main__":
    given = json.loads(Path(sys.argv[1]).read_text())
    sys.stdout.write(json.dumps(asyncio.run(watch(given, sys.argv[2], float(sys.argv[3])))) + "\n")
