/**
 * A way to show a live camera. The ladder (ladder.ts) tries one after the other; each knows only itself.
 *
 * `start` resolves when a picture has been decoded and is shown, and rejects with words that can follow "WebRTC: ".
 * After that `ended` resolves with such words once the way is over. `stop` gives up all it holds, at any time.
 */
export type Mode = "webrtc" | "hls" | "mjpeg" | "snapshot";

export interface Rung {
  readonly mode: Mode;
  /** What shows the picture. */
  readonly surface: HTMLElement;
  start(): Promise<void>;
  readonly ended: Promise<string>;
  /** Pictures shown since the start; standing still means that it stalls. */
  frames(): number;
  stop(): void;
}

/** Why a way does not work, in words that can be shown. */
export class Unplayable extends Error {
  override readonly name = "Unplayable";
}

export const MODE_NAME: Record<Mode, string> = {
  webrtc: "WebRTC",
  hls: "HLS",
  mjpeg: "MJPEG",
  snapshot: "Snapshots",
};

/** A promise with its resolver outside. */
export function deferred<T>(): { promise: Promise<T>; resolve: (value: T) => void } {
  let resolve: (value: T) => void = () => {};
  const promise = new Promise<T>((settle) => {
    resolve = settle;
  });
  return { promise, resolve };
}
