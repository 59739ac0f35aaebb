/** Counting the pictures a video element shows, and waiting for the first. */

export class FrameCount {
  private readonly video: HTMLVideoElement;
  private handle = 0;
  private shown = 0;
  private stopped = false;

  constructor(video: HTMLVideoElement) {
    this.video = video;
    if ("requestVideoFrameCallback" in video) this.next();
  }

  private next(): void {
    this.handle = this.video.requestVideoFrameCallback(() => {
      this.shown += 1;
      if (!this.stopped) this.next();
    });
  }

  /** Pictures so far: shown ones, or decoded ones where the browser tells only those. */
  count(): number {
    const decoded = this.video.getVideoPlaybackQuality?.().totalVideoFrames ?? 0;
    return Math.max(this.shown, decoded);
  }

  stop(): void {
    this.stopped = true;
    if ("cancelVideoFrameCallback" in this.video) this.video.cancelVideoFrameCallback(this.handle);
  }
}

/** Wait until a picture is there to be shown. Ends never by itself: the caller has a time limit. */
export function firstPicture(video: HTMLVideoElement, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const look = (): void => {
      if (video.readyState >= HTMLMediaElement.HAVE_CURRENT_DATA && video.videoWidth > 0) {
        done();
        resolve();
      }
    };
    const events = ["loadeddata", "playing", "resize", "timeupdate"] as const;
    const done = (): void => events.forEach((name) => video.removeEventListener(name, look));
    events.forEach((name) => video.addEventListener(name, look));
    signal.addEventListener("abort", done, { once: true });
    look();
  });
}

/** Play without sound where the browser allows nothing else. */
export async function playMuted(video: HTMLVideoElement): Promise<void> {
  try {
    await video.play();
  } catch {
    video.muted = true;
    await video.play().catch(() => {});
  }
}
