/** How far data is in moving to where it belongs, how fast, and for how long still. */
import type { Layout, Seat } from "../../api/types.ts";
import { counted, bytes } from "../../words/amounts.ts";
import { called } from "./orders.ts";

/** Over how long the pace is measured. */
const WINDOW_MS = 30_000;
/** Nothing is said of the pace before this. */
const LEAST_MS = 3_000;

export interface Progress {
  /** Everything is where it belongs. */
  done: boolean;
  /** The part of what is kept that was looked after, 0 to 1. */
  part: number;
  moved_bytes: number;
  /** What is still to be waited for, in sentences. */
  waits: string[];
}

/** Where it stands by what the nodes tell. */
export function progressOf(layout: Layout): Progress {
  const holding = layout.nodes.filter((one) => (one.chunks ?? 0) > 0 && one.looked_at !== null);
  const chunks = holding.reduce((sum, one) => sum + (one.chunks ?? 0), 0);
  const looked = holding.reduce((sum, one) => sum + (one.chunks ?? 0) * (one.looked_at ?? 1), 0);
  const waits = waitsOf(layout);
  const whole = chunks === 0 || holding.every((one) => (one.looked_at ?? 1) >= 1);
  return {
    done: whole && waits.length === 0,
    part: whole ? 1 : looked / chunks,
    moved_bytes: layout.nodes.reduce((sum, one) => sum + (one.moved_bytes ?? 0), 0),
    waits,
  };
}

function waitsOf(layout: Layout): string[] {
  const waits: string[] = [];
  if (layout.heads > 1) waits.push(`${layout.heads} versions that were made apart are being merged.`);
  const behind = layout.moving ? layout.nodes.filter((one) => one.partitions > 0 && !one.synced) : [];
  for (const one of behind) waits.push(behindWords(one));
  if (layout.moving && behind.length === 0) waits.push("The mesh takes note of the change.");
  const copying = layout.nodes.reduce((sum, one) => sum + (one.chunks_to_copy ?? 0), 0);
  if (copying > 0) waits.push(`${counted(copying, "chunk is on its way", "chunks are on their way")}.`);
  for (const one of layout.nodes) {
    if (one.state !== "active" && (one.chunks ?? 0) > 0) {
      waits.push(`${called(one)} holds ${counted(one.chunks ?? 0, "chunk", "chunks")} (${bytes(one.bytes)}) still; it lets go of each once its owners have it.`);
    }
  }
  return waits;
}

function behindWords(one: Seat): string {
  if (!one.present) return `${called(one)} does not answer. Start it, or give its place to another node.`;
  const left = one.partitions_behind ?? 0;
  return left > 0
    ? `${called(one)} catches up with ${left} of its ${one.partitions} partitions; who held them before serves meanwhile.`
    : `${called(one)} has its partitions and is about to say so.`;
}

export interface Sample {
  at_ms: number;
  part: number;
  moved_bytes: number;
}

/** The samples to go on with: none from before a jump back, which is another movement, and none too old. */
export function sampled(samples: readonly Sample[], next: Sample): Sample[] {
  const last = samples.at(-1);
  if (last !== undefined && (next.part < last.part || next.moved_bytes < last.moved_bytes)) return [next];
  return [...samples.filter((one) => next.at_ms - one.at_ms <= WINDOW_MS), next];
}

export interface Pace {
  rate_bytes_s: number | null;
  left_s: number | null;
}

/** How fast it goes, and how long it takes still at that; null where that is not known. */
export function paceOf(samples: readonly Sample[]): Pace {
  const [first, last] = [samples[0], samples.at(-1)];
  if (first === undefined || last === undefined || last.at_ms - first.at_ms < LEAST_MS) return { rate_bytes_s: null, left_s: null };
  const seconds = (last.at_ms - first.at_ms) / 1000;
  const parts_s = (last.part - first.part) / seconds;
  return {
    rate_bytes_s: (last.moved_bytes - first.moved_bytes) / seconds,
    left_s: parts_s > 0 ? (1 - last.part) / parts_s : null,
  };
}
