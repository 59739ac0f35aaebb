/** A live camera on the page: the surfaces the ladder shows its ways on, and what is said over the picture. */
import { useEffect, useRef, useState, type ReactNode } from "react";
import { media } from "../api/routes.ts";
import type { Camera } from "../api/types.ts";
import { Icon } from "../ui/Icon.tsx";
import { HlsRung } from "./hls.ts";
import { Ladder, type LiveView, type Step } from "./ladder.ts";
import { MjpegRung, SnapshotRung } from "./pictures.ts";
import { MODE_NAME, type Mode } from "./rung.ts";
import { useWatched } from "./useWatched.ts";
import { WhepRung } from "./whep.ts";
import { cameraTrouble } from "./trouble.ts";

interface Props {
  camera: Camera;
  /** A tile is one of many: it shows only while on screen, without sound and buttons. */
  tile?: boolean;
  onView?: (view: LiveView) => void;
  children?: ReactNode;
}

const BEGIN: LiveView = { state: "connecting", mode: null, skipped: [] };

export function LivePlayer({ camera, tile = false, onView, children }: Props) {
  const root = useRef<HTMLDivElement>(null);
  const webrtc = useRef<HTMLVideoElement>(null);
  const hls = useRef<HTMLVideoElement>(null);
  const pictures = useRef<HTMLCanvasElement>(null);
  const latest = useRef(camera);
  latest.current = camera;
  const ladder = useRef<Ladder | null>(null);
  const [view, setView] = useState<LiveView>(BEGIN);
  const [shown, setShown] = useState<Mode | null>(null);
  const [muted, setMuted] = useState(true);
  const watched = useWatched(root);
  const [rtcVideo, hlsVideo, canvas] = [webrtc, hls, pictures];

  useEffect(() => {
    if (!watched || !rtcVideo.current || !hlsVideo.current || !canvas.current) return;
    const steps = waysToShow(latest, rtcVideo.current, hlsVideo.current, canvas.current, tile);
    const running = new Ladder(steps, (next, surface) => {
      setView(next);
      setShown(surface === null ? null : next.mode);
    });
    ladder.current = running;
    running.start();
    return () => {
      running.stop();
      ladder.current = null;
      setView(BEGIN);
      setShown(null);
    };
  }, [camera.id, tile, watched, rtcVideo, hlsVideo, canvas]);

  useEffect(() => ladder.current?.nudge(), [camera.state, camera.webrtc]);
  useEffect(() => onView?.(view), [view, onView]);
  useEffect(() => {
    for (const video of [webrtc.current, hls.current]) if (video) video.muted = muted;
  }, [muted]);

  const surface = (mode: Mode): string => (shown === mode ? "surface is-shown" : "surface");
  const onCanvas = shown === "mjpeg" || shown === "snapshot";
  return (
    <div
      ref={root}
      className={tile ? "player player-tile" : "player"}
      data-player
      data-camera={camera.id}
      data-mode={view.mode ?? "none"}
      data-state={view.state}
    >
      <video ref={webrtc} className={surface("webrtc")} playsInline autoPlay muted aria-label={`${camera.name}, live`} />
      <video ref={hls} className={surface("hls")} playsInline autoPlay muted aria-label={`${camera.name}, live`} />
      <canvas
        ref={pictures}
        className={onCanvas ? "surface is-shown" : "surface"}
        role="img"
        aria-label={`${camera.name}, live`}
      />
      <Over camera={camera} view={view} tile={tile} />
      {children}
      {!tile && (
        <div className="player-buttons">
          {(shown === "webrtc" || shown === "hls") && (
            <button
              type="button"
              className="icon-button"
              aria-pressed={!muted}
              aria-label="Sound"
              onClick={() => setMuted(!muted)}
            >
              <Icon name={muted ? "sound-off" : "sound"} />
            </button>
          )}
          {document.fullscreenEnabled && (
            <button
              type="button"
              className="icon-button"
              aria-label="Full screen"
              onClick={() => void toggleFullScreen(root.current)}
            >
              <Icon name="full" />
            </button>
          )}
        </div>
      )}
    </div>
  );
}

function Over({ camera, view, tile }: { camera: Camera; view: LiveView; tile: boolean }) {
  const trouble = cameraTrouble(camera);
  if (view.state === "playing") return null;
  if (view.state === "connecting") {
    return (
      <p className="player-over" role="status">
        <span className="spinner" aria-hidden="true" />
        {trouble ?? (view.mode === null ? "Connecting…" : `Connecting by ${MODE_NAME[view.mode]}…`)}
      </p>
    );
  }
  if (view.state === "stalled") {
    return (
      <p className="player-over player-over-dim" role="status">
        {trouble ?? "The picture has stopped; waiting for the next one."}
      </p>
    );
  }
  const why = tile ? undefined : view.skipped.at(-1)?.why;
  return (
    <p className="player-over" role="status">
      <Icon name="no-picture" />
      <span>
        {trouble ?? `No picture can be shown${why ? `: ${why.replace(/\.$/, "")}` : ""}.`}
        {trouble === null && " Trying again by itself."}
      </span>
    </p>
  );
}

function waysToShow(
  camera: { readonly current: Camera },
  rtcVideo: HTMLVideoElement,
  hlsVideo: HTMLVideoElement,
  canvas: HTMLCanvasElement,
  tile: boolean,
): Step[] {
  const { id } = camera.current;
  return [
    {
      mode: "webrtc",
      unavailable: () => {
        if (!("RTCPeerConnection" in window)) return "this browser has no WebRTC";
        if (camera.current.webrtc !== false) return null;
        return camera.current.webrtc_reason ?? "this camera has no WebRTC preview";
      },
      make: () => new WhepRung(rtcVideo, media.whep(id)),
    },
    {
      mode: "hls",
      unavailable: () => (camera.current.hls === false ? "this camera has no HLS" : null),
      make: () => new HlsRung(hlsVideo, media.hls(id)),
    },
    {
      mode: "mjpeg",
      unavailable: () => {
        if (camera.current.mjpeg === false) return "this camera makes no pictures";
        return tile && !MjpegRung.free() ? "other tiles have the connections there are" : null;
      },
      make: () => new MjpegRung(canvas, media.mjpeg(id)),
    },
    ...(tile
      ? [
          {
            mode: "snapshot" as const,
            unavailable: () => (camera.current.mjpeg === false ? "this camera makes no pictures" : null),
            make: () => new SnapshotRung(canvas, media.snapshot(id)),
          },
        ]
      : []),
  ];
}

async function toggleFullScreen(element: HTMLElement | null): Promise<void> {
  if (document.fullscreenElement) await document.exitFullscreen();
  else await element?.requestFullscreen().catch(() => {});
}
