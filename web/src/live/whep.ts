/**
 * WHEP: a node's live track over WebRTC (draft-ietf-wish-whep), without trickle and without any STUN or TURN server.
 *
 * Invariant: a session that was opened is ended with DELETE, also when the page goes.
 */
import { problemOf } from "../api/client.ts";
import { FrameCount, firstPicture, playMuted } from "./frames.ts";
import { deferred, Unplayable, type Rung } from "./rung.ts";

const GATHERING_MAX_MS = 1_000;
const SDP = "application/sdp";

export class WhepRung implements Rung {
  readonly mode = "webrtc" as const;
  readonly surface: HTMLVideoElement;
  private readonly url: string;
  private readonly over = deferred<string>();
  private readonly end = new AbortController();
  private peer: RTCPeerConnection | null = null;
  private session: string | null = null;
  private count: FrameCount | null = null;

  constructor(video: HTMLVideoElement, url: string) {
    this.surface = video;
    this.url = url;
  }

  get ended(): Promise<string> {
    return this.over.promise;
  }

  async start(): Promise<void> {
    const peer = new RTCPeerConnection({ iceServers: [] });
    this.peer = peer;
    peer.addTransceiver("video", { direction: "recvonly" });
    peer.addTransceiver("audio", { direction: "recvonly" });
    const stream = new MediaStream();
    peer.ontrack = (event) => stream.addTrack(event.track);
    const broken = this.watch(peer);

    await peer.setLocalDescription();
    await gathered(peer);
    this.check();
    await this.negotiate(peer);
    this.check();

    const video = this.surface;
    video.srcObject = stream;
    this.count = new FrameCount(video);
    window.addEventListener("pagehide", this.leave);
    void playMuted(video);
    await Promise.race([firstPicture(video, this.end.signal), broken]);
    this.check();
  }

  frames(): number {
    return this.count?.count() ?? 0;
  }

  stop(): void {
    if (this.end.signal.aborted) return;
    this.end.abort();
    this.count?.stop();
    const { peer } = this;
    if (peer !== null) peer.onconnectionstatechange = null;
    // The session is ended before its connection: the other way round the node would have ended it already.
    void this.leave().then(() => peer?.close());
    this.surface.srcObject = null;
    this.over.resolve("stopped");
  }

  /** Gives a promise that rejects when the connection fails before there is a picture. */
  private watch(peer: RTCPeerConnection): Promise<never> {
    const broken = new Promise<never>((_, reject) => {
      peer.onconnectionstatechange = () => {
        if (peer.connectionState === "failed") {
          reject(new Unplayable("the connection could not be made; the network may block UDP"));
          this.over.resolve("the connection was lost");
        } else if (peer.connectionState === "closed") {
          this.over.resolve("the node ended the connection");
        }
      };
    });
    broken.catch(() => {});
    return broken;
  }

  private async negotiate(peer: RTCPeerConnection): Promise<void> {
    let response: Response;
    try {
      response = await fetch(this.url, {
        method: "POST",
        headers: { "Content-Type": SDP, Accept: SDP },
        body: peer.localDescription?.sdp ?? "",
        credentials: "same-origin",
        signal: this.end.signal,
      });
    } catch {
      throw new Unplayable("the node does not answer");
    }
    if (response.status !== 201) throw new Unplayable((await problemOf(response)).message);
    const location = response.headers.get("Location");
    if (location !== null) {
      const session = new URL(location, new URL(this.url, window.location.href));
      if (session.origin === window.location.origin) this.session = session.pathname + session.search;
    }
    const sdp = await response.text();
    if (this.end.signal.aborted) {
      await this.leave();
      return;
    }
    try {
      await peer.setRemoteDescription({ type: "answer", sdp });
    } catch {
      throw new Unplayable("this browser cannot read the node's answer");
    }
  }

  private check(): void {
    if (this.end.signal.aborted) throw new Unplayable("stopped");
  }

  private readonly leave = async (): Promise<void> => {
    window.removeEventListener("pagehide", this.leave);
    const session = this.session;
    this.session = null;
    if (session !== null) {
      await fetch(session, { method: "DELETE", credentials: "same-origin", keepalive: true }).catch(() => {});
    }
  };
}

/** Wait until every candidate is in the offer, but no longer than GATHERING_MAX_MS. */
function gathered(peer: RTCPeerConnection): Promise<void> {
  if (peer.iceGatheringState === "complete") return Promise.resolve();
  return new Promise((resolve) => {
    const timer = window.setTimeout(resolve, GATHERING_MAX_MS);
    peer.addEventListener("icegatheringstatechange", () => {
      if (peer.iceGatheringState !== "complete") return;
      window.clearTimeout(timer);
      resolve();
    });
  });
}
