/**
 * What changes, as it changes: the node's event feed over a WebSocket, opened again with jittered back-off.
 *
 * It goes on where it broke off, by the cursor of the last event; what the mesh does not keep any more is told as
 * missed. Events are taken as "look again", never as the data itself, so that a lost one costs a delay and no truth.
 * While the feed is not open, those who follow it poll faster (see useResource).
 */
import type { LiveEvent, Topic } from "./types.ts";

const BACKOFF_FIRST_MS = 1_000;
const BACKOFF_MAX_MS = 30_000;

/** The topic that says that some events did not come. */
export const MISSED = "feed.missed" satisfies Topic;
/** The code of a close that says that the query was wrong: the cursor is of no use to this node. */
const CLOSE_MISTAKE = 4400;

export type FeedState = "connecting" | "open" | "waiting";
type OnEvent = (event: LiveEvent) => void;

export class EventFeed {
  private readonly path: string;
  private readonly listeners = new Set<OnEvent>();
  private readonly watchers = new Set<() => void>();
  private socket: WebSocket | null = null;
  private timer: number | undefined;
  private backoff_ms = BACKOFF_FIRST_MS;
  private running = false;
  private cursor = "";
  private current: FeedState = "waiting";

  constructor(path: string) {
    this.path = path;
  }

  get state(): FeedState {
    return this.current;
  }

  start(): void {
    if (this.running) return;
    this.running = true;
    window.addEventListener("online", this.again);
    this.open();
  }

  stop(): void {
    this.running = false;
    window.removeEventListener("online", this.again);
    window.clearTimeout(this.timer);
    this.socket?.close();
    this.socket = null;
    this.become("waiting");
  }

  /** Have `listener` called with every event; gives the way to end it. */
  listen(listener: OnEvent): () => void {
    this.listeners.add(listener);
    return () => void this.listeners.delete(listener);
  }

  /** Have `watcher` called when the state changes; gives the way to end it. */
  watch(watcher: () => void): () => void {
    this.watchers.add(watcher);
    return () => void this.watchers.delete(watcher);
  }

  private readonly again = (): void => {
    if (!this.running || this.current !== "waiting") return;
    window.clearTimeout(this.timer);
    this.open();
  };

  private open(): void {
    const url = new URL(this.path, window.location.href);
    url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
    if (this.cursor) url.searchParams.set("after", this.cursor);
    this.become("connecting");
    const socket = new WebSocket(url);
    this.socket = socket;
    socket.onopen = () => {
      this.backoff_ms = BACKOFF_FIRST_MS;
      this.become("open");
    };
    socket.onmessage = (message) => this.take(message.data);
    socket.onclose = (close) => {
      if (this.socket !== socket) return;
      if (close.code === CLOSE_MISTAKE && this.cursor) {
        // It begins anew, so everybody looks once.
        this.cursor = "";
        this.tell({
          topic: MISSED,
          at: new Date().toISOString(),
          node: "",
          cursor: "",
          data: { missed: null, node: "", why: "unreachable" },
        });
      }
      this.socket = null;
      if (!this.running) return;
      this.become("waiting");
      this.timer = window.setTimeout(this.again, this.backoff_ms * (0.5 + Math.random() / 2));
      this.backoff_ms = Math.min(this.backoff_ms * 2, BACKOFF_MAX_MS);
    };
  }

  private take(data: unknown): void {
    if (typeof data !== "string") return;
    let event: unknown;
    try {
      event = JSON.parse(data);
    } catch {
      return;
    }
    if (event === null || typeof event !== "object" || typeof (event as LiveEvent).topic !== "string") return;
    const told = event as LiveEvent;
    if (typeof told.cursor === "string" && told.cursor) this.cursor = told.cursor;
    this.tell(told);
  }

  private tell(event: LiveEvent): void {
    for (const listener of [...this.listeners]) listener(event);
  }

  private become(state: FeedState): void {
    if (this.current === state) return;
    this.current = state;
    for (const watcher of [...this.watchers]) watcher();
  }
}
