/** How far a piece of analysis is, in a person's words; what is not known here is told as it came. */
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
