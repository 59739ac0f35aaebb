/** How far a piece of analysis is, in a person's words; what is not known here is told as it came. */
const WORDS: Record<string, string> = {
  queued: "waiting",
  leased: "under way",
  done: "done",
  failed: "failed",
  none: "not asked for",
};

export function workState(state: string): string {
  return WORDS[state] ?? state;
}
