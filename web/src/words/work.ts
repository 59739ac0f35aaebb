/** How far a piece of analysis is, in a person's words; what is not known here is told as it came. */
import { counted } from "./amounts.ts";

const WORDS: Record<string, string> = {
  queued: "waiting",
  leased: "under way",
  done: "done",
  failed: "failed",
  none: "not asked for",
};

const KINDS: Record<string, string> = { L0: "measures", L1: "pictures", L2: "scenes" };

/** What a piece of analysis looks at. */
export function workKind(kind: string): string {
  return KINDS[kind] ?? kind;
}

export function workState(state: string): string {
  return WORDS[state] ?? state;
}

/** What a search did not look at yet, because it is still recorded or waits. */
export function notYetSeen({ recording, waiting }: { recording: number; waiting: number }): string {
  const parts: string[] = [];
  if (recording > 0) parts.push(`${counted(recording, "take", "takes")} still being recorded`);
  if (waiting > 0) parts.push(`${counted(waiting, "asset", "assets")} waiting to be looked at`);
  return `Not searched by what is seen yet: ${parts.join(", ")}.`;
}
