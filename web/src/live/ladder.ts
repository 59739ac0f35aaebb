/**
 * Which way a live camera is shown: the best that works, told with why no better one does.
 *
 * Decides the order WebRTC, HLS, MJPEG (on a wall with many cameras: snapshots), when a way has had its time, and when
 * a better one is tried again behind the picture that is shown. Invariant: what is shown is only replaced by a way
 * that has already decoded a picture; one run at a time; whatever was started is stopped.
 */
import { Unplayable, type Mode, type Rung } from "./rung.ts";

const FIRST_PICTURE_MS: Record<Mode, number> = { webrtc: 4_000, hls: 16_000, mjpeg: 8_000, snapshot: 8_000 };
const STALLED_MS = 3_000;
const GIVEN_UP_MS = 9_000;
const LOOK_MS = 500;
const AGAIN_FIRST_MS = 2_000;
const AGAIN_MAX_MS = 30_000;
const BETTER_FIRST_MS = 30_000;
const BETTER_MAX_MS = 300_000;

export interface Skipped {
  mode: Mode;
  why: string;
}

export interface LiveView {
  state: "connecting" | "playing" | "stalled" | "failed";
  mode: Mode | null;
  /** Better ways than the one shown (all ways, when none works), and why not. */
  skipped: readonly Skipped[];
}

/** A way that may be tried. */
export interface Step {
  mode: Mode;
  /** Why it is not worth trying; null when it is. */
  unavailable: () => string | null;
  make: () => Rung;
}

export class Ladder {
  private readonly steps: readonly Step[];
  private readonly notify: (view: LiveView, shown: HTMLElement | null) => void;
  private readonly end = new AbortController();
  private wake: () => void = () => {};

  constructor(steps: readonly Step[], notify: (view: LiveView, shown: HTMLElement | null) => void) {
    this.steps = steps;
    this.notify = notify;
  }

  start(): void {
    void this.run();
  }

  /** Something changed (the camera came online): do not wait any longer. */
  nudge(): void {
    this.wake();
  }

  stop(): void {
    this.end.abort();
    this.wake();
  }

  private get over(): boolean {
    return this.end.signal.aborted;
  }

  private async run(): Promise<void> {
    let again_ms = AGAIN_FIRST_MS;
    let lost: Skipped | null = null;
    while (!this.over) {
      const skipped: Skipped[] = [];
      const shown = await this.climb(this.steps, skipped, lost);
      if (this.over) {
        shown?.stop();
        return;
      }
      if (shown === null) {
        this.notify({ state: "failed", mode: null, skipped }, null);
        await this.pause(again_ms);
        again_ms = Math.min(again_ms * 2, AGAIN_MAX_MS);
        lost = null;
        continue;
      }
      again_ms = AGAIN_FIRST_MS;
      lost = await this.hold(shown, skipped);
    }
  }

  /** Try steps in order; gives the first that shows a picture, and adds the others to `skipped`. */
  private async climb(steps: readonly Step[], skipped: Skipped[], lost: Skipped | null): Promise<Rung | null> {
    for (const step of steps) {
      if (this.over) return null;
      const why = step.unavailable();
      if (why !== null) {
        skipped.push({ mode: step.mode, why });
        continue;
      }
      const before = lost?.mode === step.mode ? [lost] : [];
      this.notify({ state: "connecting", mode: step.mode, skipped: [...skipped, ...before] }, null);
      const rung = step.make();
      const failure = await this.attempt(rung);
      if (failure === null) return rung;
      skipped.push({ mode: step.mode, why: failure });
    }
    return null;
  }

  /** Start a way within its time; null when it shows a picture, else why it does not. */
  private async attempt(rung: Rung): Promise<string | null> {
    const limit_ms = FIRST_PICTURE_MS[rung.mode];
    let timer: number | undefined;
    const late = new Promise<never>((_, reject) => {
      timer = window.setTimeout(
        () => reject(new Unplayable(`no picture within ${limit_ms / 1000} s`)),
        limit_ms,
      );
      this.end.signal.addEventListener("abort", () => reject(new Unplayable("stopped")), { once: true });
    });
    try {
      await Promise.race([rung.start(), late]);
      return null;
    } catch (error) {
      rung.stop();
      if (error instanceof Unplayable) return error.message;
      return error instanceof Error ? error.message : "it failed";
    } finally {
      window.clearTimeout(timer);
    }
  }

  /** Show a way until it is over; gives which it was then, and why. */
  private async hold(first: Rung, skipped: readonly Skipped[]): Promise<Skipped> {
    let held = first;
    let better: readonly Skipped[] = skipped;
    let state: LiveView["state"] = "playing";
    let ended: string | null = null;
    const follow = (rung: Rung): void => {
      void rung.ended.then((reason) => {
        if (rung === held) ended = reason;
      });
      this.notify({ state, mode: rung.mode, skipped: better }, rung.surface);
    };
    follow(held);
    let frames = held.frames();
    let moved_ms = performance.now();
    let better_ms = BETTER_FIRST_MS;
    let try_ms = performance.now() + better_ms;

    while (!this.over && ended === null) {
      await this.pause(LOOK_MS);
      const now_ms = performance.now();
      if (held.frames() !== frames || document.hidden) {
        frames = held.frames();
        moved_ms = now_ms;
      }
      const still_ms = now_ms - moved_ms;
      const seen: LiveView["state"] = still_ms > STALLED_MS ? "stalled" : "playing";
      if (seen !== state) {
        state = seen;
        this.notify({ state, mode: held.mode, skipped: better }, held.surface);
      }
      if (still_ms > GIVEN_UP_MS) ended = `no picture for ${Math.round(still_ms / 1000)} s`;
      if (ended !== null || now_ms < try_ms || document.hidden) continue;

      const above = this.steps.slice(0, this.steps.findIndex((step) => step.mode === held.mode));
      const found = await this.improve(above);
      if (found.rung !== null) {
        const old = held;
        held = found.rung;
        frames = held.frames();
        moved_ms = performance.now();
        better_ms = BETTER_FIRST_MS;
        state = "playing";
        ended = null;
        better = found.skipped;
        follow(held);
        old.stop();
      } else if (found.skipped.length > 0) {
        better = found.skipped;
        this.notify({ state, mode: held.mode, skipped: better }, held.surface);
      }
      better_ms = Math.min(better_ms * 2, BETTER_MAX_MS);
      try_ms = performance.now() + better_ms;
    }
    held.stop();
    return { mode: held.mode, why: ended ?? "stopped" };
  }

  /** Try better ways behind the one that is shown. */
  private async improve(above: readonly Step[]): Promise<{ rung: Rung | null; skipped: Skipped[] }> {
    const skipped: Skipped[] = [];
    for (const step of above) {
      const why = step.unavailable();
      if (why !== null) {
        skipped.push({ mode: step.mode, why });
        continue;
      }
      const rung = step.make();
      const failure = await this.attempt(rung);
      if (failure === null && !this.over) return { rung, skipped };
      rung.stop();
      skipped.push({ mode: step.mode, why: failure ?? "stopped" });
    }
    return { rung: null, skipped };
  }

  private pause(time_ms: number): Promise<void> {
    if (this.over) return Promise.resolve();
    return new Promise((resolve) => {
      const timer = window.setTimeout(resolve, time_ms);
      this.wake = () => {
        window.clearTimeout(timer);
        resolve();
      };
    });
  }
}
