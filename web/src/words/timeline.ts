/**
 * A take's own time against its player's time.
 *
 * A take counts from its start with its holes; HLS plays what lies between the holes end to end (each is an
 * EXT-X-DISCONTINUITY). Invariant: playAt and takeAt are monotonic, and inverse to each other outside holes.
 */

export interface Hole {
  start: number;
  end: number;
}

/** Where the player is at `take_s` of the take; inside a hole, where it goes on after it. */
export function playAt(take_s: number, holes: readonly Hole[]): number {
  let skipped = 0;
  for (const hole of inOrder(holes)) {
    if (take_s <= hole.start) break;
    skipped += Math.min(take_s, hole.end) - hole.start;
  }
  return Math.max(0, take_s - skipped);
}

/** Where the take is at `play_s` of the player. */
export function takeAt(play_s: number, holes: readonly Hole[]): number {
  let at = play_s;
  for (const hole of inOrder(holes)) {
    if (at < hole.start) break;
    at += hole.end - hole.start;
  }
  return at;
}

function inOrder(holes: readonly Hole[]): Hole[] {
  return holes.filter((hole) => hole.end > hole.start).sort((one, other) => one.start - other.start);
}

/** The scene at `at`, by its number; -1 for none. */
export function sceneAt(at: number, scenes: readonly Hole[]): number {
  return scenes.findIndex((scene) => at >= scene.start && at < scene.end);
}

/** The hole at `at`, or the nearest one not farther than `slack_s` from it; null for none. */
export function gapNear<H extends Hole>(at: number, holes: readonly H[], slack_s = 0): H | null {
  const far = (hole: H): number => Math.max(hole.start - at, at - hole.end, 0);
  const near = holes.filter((hole) => far(hole) <= slack_s);
  return near.reduce<H | null>((best, hole) => (best === null || far(hole) < far(best) ? hole : best), null);
}
