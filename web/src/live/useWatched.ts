/** Whether an element is worth showing pictures in: on screen, in a page that somebody can see. */
import { useEffect, useState, type RefObject } from "react";

/** A page in the background keeps its pictures this long: people switch back and forth. */
const HIDDEN_MS = 30_000;

export function useWatched(element: RefObject<HTMLElement | null>): boolean {
  const [onScreen, setOnScreen] = useState(false);
  const [inFront, setInFront] = useState(!document.hidden);

  useEffect(() => {
    if (element.current === null) return;
    const observer = new IntersectionObserver((entries) => setOnScreen(entries.at(-1)?.isIntersecting ?? false), {
      rootMargin: "120px",
    });
    observer.observe(element.current);
    return () => observer.disconnect();
  }, [element]);

  useEffect(() => {
    let timer: number | undefined;
    const changed = (): void => {
      window.clearTimeout(timer);
      if (document.hidden) timer = window.setTimeout(() => setInFront(false), HIDDEN_MS);
      else setInFront(true);
    };
    document.addEventListener("visibilitychange", changed);
    return () => {
      document.removeEventListener("visibilitychange", changed);
      window.clearTimeout(timer);
    };
  }, []);

  return onScreen && inFront;
}
