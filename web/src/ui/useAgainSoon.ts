/** Looking again in a moment, while an answer is not whole only because nodes catch up with each other. */
import { useEffect } from "react";

const AGAIN_MS = 1_500;
/** When it is expected to be whole, in words. */
export const SOON = "in a few seconds";

/** Have `reload` called a moment after each such `answer`; null is none. */
export function useAgainSoon(answer: object | null, reload: () => void): void {
  useEffect(() => {
    if (answer === null) return;
    const timer = window.setTimeout(reload, AGAIN_MS);
    return () => window.clearTimeout(timer);
  }, [answer, reload]);
}
