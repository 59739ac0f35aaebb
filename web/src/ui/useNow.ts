import { useEffect, useState } from "react";
import { nodeNow } from "../api/client.ts";

/** The node's time in UTC milliseconds, anew every second while `on`. */
export function useNow(on = true): number {
  const [now_ms, setNow] = useState(nodeNow);
  useEffect(() => {
    if (!on) return;
    setNow(nodeNow());
    const timer = window.setInterval(() => setNow(nodeNow()), 1000);
    return () => window.clearInterval(timer);
  }, [on]);
  return now_ms;
}
