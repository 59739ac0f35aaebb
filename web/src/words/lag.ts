/** How far copying is behind, in words. */
import { bytes, DASH } from "./amounts.ts";
import { inWords } from "./time.ts";

type Maybe = number | null | undefined;

/** For how long something has waited to be copied. */
export function lagTime(lag_s: Maybe, lag_bytes: Maybe): string {
  if (lag_s === null || lag_s === undefined) return DASH;
  return lag_bytes && lag_s < 1 ? "under 1 s" : inWords(lag_s);
}

/** How much waits, and for how long: "2.4 MB, under 1 s". */
export function behind(lag_s: Maybe, lag_bytes: Maybe): string {
  const time = lagTime(lag_s, lag_bytes);
  return time === DASH || !lag_bytes ? bytes(lag_bytes) : `${bytes(lag_bytes)}, ${time}`;
}
