/** Live HLS: hls.js where there are Media Source Extensions, else the browser's own player. */
import type Hls from "hls.js";
import type { ErrorData, HlsConfig } from "hls.js";
import { problemFrom } from "../api/client.ts";
import { FrameCount, firstPicture, playMuted } from "./frames.ts";
import { deferred, Unplayable, type Rung } from "./rung.ts";

const NATIVE = "application/vnd.apple.mpegurl";

export class HlsRung implements Rung {
  readonly mode = "hls" as const;
  readonly surface: HTMLVideoElement;
  private readonly url: string;
  private readonly over = deferred<string>();
  private readonly end = new AbortController();
  private player: { stop: () => void } | null = null;
  private count: FrameCount | null = null;

  constructor(video: HTMLVideoElement, url: string) {
    this.surface = video;
    this.url = url;
  }

  get ended(): Promise<string> {
    return this.over.promise;
  }

  async start(): Promise<void> {
    const video = this.surface;
    const failed = deferred<string>();
    this.player = await attachHls(
      video,
      this.url,
      { liveSyncDurationCount: 2, liveMaxLatencyDurationCount: 6, maxBufferLength: 12, backBufferLength: 10 },
      (reason) => {
        failed.resolve(reason);
        this.over.resolve(reason);
      },
    );
    if (this.end.signal.aborted) {
      this.player.stop();
      throw new Unplayable("stopped");
    }
    this.count = new FrameCount(video);
    void playMuted(video);
    await Promise.race([
      firstPicture(video, this.end.signal),
      failed.promise.then((reason) => Promise.reject(new Unplayable(reason))),
    ]);
  }

  frames(): number {
    return this.count?.count() ?? 0;
  }

  stop(): void {
    if (this.end.signal.aborted) return;
    this.end.abort();
    this.count?.stop();
    this.player?.stop();
    this.over.resolve("stopped");
  }
}

/**
 * Give `video` an HLS stream; `failed` is told, once, in words, when it is over. Used for live cameras and for takes.
 * Throws Unplayable when this browser has no way to play HLS.
 */
export async function attachHls(
  video: HTMLVideoElement,
  url: string,
  config: Partial<HlsConfig>,
  failed: (reason: string) => void,
): Promise<{ stop: () => void }> {
  const { default: Player } = await import("hls.js/light");
  if (!Player.isSupported()) return attachNative(video, url, failed);
  const hls = new Player({ ...config, enableWorker: false });
  let recoveries = 0;
  hls.on(Player.Events.ERROR, (_, data) => {
    if (!data.fatal) return;
    if (data.type === Player.ErrorTypes.MEDIA_ERROR && recoveries < 1 && !isCodec(data)) {
      recoveries += 1;
      hls.recoverMediaError();
      return;
    }
    failed(inWords(data));
    hls.destroy();
  });
  hls.loadSource(url);
  hls.attachMedia(video);
  return { stop: () => stopHls(hls, video) };
}

function stopHls(hls: Hls, video: HTMLVideoElement): void {
  hls.destroy();
  video.removeAttribute("src");
  video.load();
}

function attachNative(video: HTMLVideoElement, url: string, failed: (reason: string) => void): { stop: () => void } {
  if (video.canPlayType(NATIVE) === "") throw new Unplayable("this browser cannot play HLS");
  const onError = (): void => failed(video.error?.message || "this browser could not play it");
  video.addEventListener("error", onError);
  video.src = url;
  return {
    stop: () => {
      video.removeEventListener("error", onError);
      video.removeAttribute("src");
      video.load();
    },
  };
}

function isCodec(data: ErrorData): boolean {
  return /[Cc]odec/.test(data.details);
}

function inWords(data: ErrorData): string {
  if (isCodec(data)) {
    const codec = /codec[s]?[=: "']+([\w.,]+)/i.exec(data.error.message)?.[1];
    return `this browser cannot decode the codec${codec ? ` ${codec}` : ""}`;
  }
  const status = data.response?.code ?? 0;
  if (status >= 400) {
    const body: unknown = data.networkDetails;
    const text = body instanceof XMLHttpRequest && body.responseType !== "arraybuffer" ? body.responseText : "";
    return problemFrom(status, text).message;
  }
  if (data.type === "networkError") return "the node does not answer";
  return `it broke while playing (${data.details})`;
}
