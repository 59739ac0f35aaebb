import assert from "node:assert/strict";
import { mock, test } from "node:test";
import { EventFeed, MISSED } from "./events.ts";
import type { LiveEvent } from "./types.ts";

class Socket {
  static readonly made: Socket[] = [];
  onopen: () => void = () => {};
  onmessage: (message: { data: string }) => void = () => {};
  onclose: (close: { code: number }) => void = () => {};
  readonly url: URL;

  constructor(url: URL) {
    this.url = url;
    Socket.made.push(this);
  }

  close(): void {}

  says(topic: string, cursor: string): void {
    this.onmessage({ data: JSON.stringify({ topic, at: "now", node: "n", cursor, data: {} }) });
  }
}

function followed(): { feed: EventFeed; heard: LiveEvent[] } {
  Socket.made.length = 0;
  mock.timers.enable({ apis: ["setTimeout"] });
  const window = {
    location: { href: "http://node:1/" },
    addEventListener: () => {},
    removeEventListener: () => {},
    setTimeout: (work: () => void, after_ms: number) => setTimeout(work, after_ms),
    clearTimeout,
  };
  Object.assign(globalThis, { window, WebSocket: Socket });
  const feed = new EventFeed("/api/v1/events");
  const heard: LiveEvent[] = [];
  feed.listen((event) => void heard.push(event));
  feed.start();
  return { feed, heard };
}

const last = (): Socket => Socket.made.at(-1) as Socket;

test("a feed that broke off goes on behind the last event it had", () => {
  const { feed, heard } = followed();
  assert.equal(last().url.href, "ws://node:1/api/v1/events");
  last().onopen();
  last().says("feed.position", "e1.a");
  last().says("camera.changed", "e1.b");
  last().onclose({ code: 1006 });
  assert.equal(feed.state, "waiting");
  mock.timers.tick(1_000);
  assert.equal(Socket.made.length, 2);
  assert.equal(last().url.searchParams.get("after"), "e1.b");
  last().onopen();
  assert.deepEqual(heard.map((event) => event.topic), ["feed.position", "camera.changed"]);
  mock.timers.reset();
});

test("a cursor that the node refuses is let go, and everybody looks once", () => {
  const { heard } = followed();
  last().onopen();
  last().says("camera.changed", "e1.b");
  last().onclose({ code: 1006 });
  mock.timers.tick(1_000);
  last().onopen();
  last().onclose({ code: 4400 });
  assert.equal(heard.at(-1)?.topic, MISSED);
  mock.timers.tick(2_000);
  assert.equal(last().url.searchParams.get("after"), null);
  mock.timers.reset();
});
