/**
 * Something of the node's, kept fresh: fetched now, on events that touch it, and by polling.
 *
 * Invariant: at most one request of a resource is under way; what is shown stays until the next answer is there, and a
 * failed look keeps the last answer beside the error. What is not there any more is not asked for again.
 */
import { createContext, useCallback, useContext, useEffect, useRef, useState, useSyncExternalStore } from "react";
import { Problem, told } from "./client.ts";
import { EventFeed, MISSED, type FeedState } from "./events.ts";
import { media } from "./routes.ts";
import type { Things } from "./types.ts";

const COALESCE_MS = 300;
const POLL_WITHOUT_FEED_S = 4;

export const Feed = createContext(new EventFeed(media.events()));

/** Whether live updates come, for the shell to say so. */
export function useFeedState(): FeedState {
  const feed = useContext(Feed);
  return useSyncExternalStore(
    (watcher) => feed.watch(watcher),
    () => feed.state,
  );
}

export interface Followed {
  /** Topics, by how they begin ("camera."), that make it worth a look. */
  topics?: readonly Things[];
  /** Seconds between looks while the feed is open. */
  every_s?: number;
}

export interface Resource<T> {
  data: T | null;
  error: string | null;
  loading: boolean;
  /** The node knows no such thing. */
  gone: boolean;
  reload: () => void;
  /** Show `data` at once, as an answer to a change just made gave it. */
  put: (data: T) => void;
}

/** Follow what `load` gives. `key` names it: another key is another thing; null is nothing yet. */
export function useResource<T>(
  key: string | null,
  load: (signal: AbortSignal) => Promise<T>,
  { topics = [], every_s = 30 }: Followed = {},
): Resource<T> {
  const feed = useContext(Feed);
  const [state, setState] = useState<{ data: T | null; error: string | null; loading: boolean; gone: boolean }>({
    data: null,
    error: null,
    loading: key !== null,
    gone: false,
  });
  const loader = useRef(load);
  loader.current = load;
  const look = useRef<() => void>(() => {});
  const wanted = topics.join(" ");

  useEffect(() => {
    if (key === null) {
      setState({ data: null, error: null, loading: false, gone: false });
      return;
    }
    const end = new AbortController();
    let busy = false;
    let again = false;
    let gone = false;
    let soon: number | undefined;

    const fetchNow = async (): Promise<void> => {
      if (busy) {
        again = true;
        return;
      }
      busy = true;
      setState((before) => (before.loading ? before : { ...before, loading: true }));
      try {
        const data = await loader.current(end.signal);
        if (!end.signal.aborted) setState({ data, error: null, loading: false, gone: false });
      } catch (error) {
        if (!end.signal.aborted) {
          gone = error instanceof Problem && (error.status === 404 || error.status === 410);
          setState((before) => ({ data: gone ? null : before.data, error: told(error), loading: false, gone }));
        }
      }
      busy = false;
      if (again && !end.signal.aborted) {
        again = false;
        void fetchNow();
      }
    };
    const fetchSoon = (): void => {
      soon ??= window.setTimeout(() => {
        soon = undefined;
        void fetchNow();
      }, COALESCE_MS);
    };

    look.current = () => void fetchNow();
    void fetchNow();
    const prefixes = wanted ? wanted.split(" ") : [];
    const unlisten = feed.listen((event) => {
      if (gone) return;
      if (event.topic === MISSED || prefixes.some((prefix) => event.topic.startsWith(prefix))) fetchSoon();
    });
    let since_s = 0;
    const tick = window.setInterval(() => {
      since_s += 1;
      const due_s = feed.state === "open" ? every_s : Math.min(every_s, POLL_WITHOUT_FEED_S);
      if (gone || document.hidden || since_s < due_s) return;
      since_s = 0;
      void fetchNow();
    }, 1000);
    return () => {
      end.abort();
      unlisten();
      window.clearInterval(tick);
      window.clearTimeout(soon);
    };
  }, [key, wanted, every_s, feed]);

  const reload = useCallback(() => look.current(), []);
  const put = useCallback((data: T) => setState({ data, error: null, loading: false, gone: false }), []);
  return { ...state, reload, put };
}
