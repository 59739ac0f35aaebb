/** Pictures one by one: an MJPEG stream, or snapshots where a page has more cameras than connections to spare. */
import { problemOf } from "../api/client.ts";
import { Multipart } from "./multipart.ts";
import { deferred, Unplayable, type Rung } from "./rung.ts";

const SNAPSHOT_PAUSE_MS = 1_500;
const STREAMS_MAX = 3;
/** An HTTP/1.1 browser has six connections to a node: streams that never end may not take them all. */
let streams = 0;

/** Draws JPEGs on a canvas and counts them. */
class Screen {
  readonly canvas: HTMLCanvasElement;
  drawn = 0;

  constructor(canvas: HTMLCanvasElement) {
    this.canvas = canvas;
  }

  async draw(jpeg: Blob): Promise<void> {
    const picture = await createImageBitmap(jpeg);
    if (this.canvas.width !== picture.width) this.canvas.width = picture.width;
    if (this.canvas.height !== picture.height) this.canvas.height = picture.height;
    this.canvas.getContext("2d")?.drawImage(picture, 0, 0);
    picture.close();
    this.drawn += 1;
  }
}

abstract class PictureRung implements Rung {
  abstract readonly mode: "mjpeg" | "snapshot";
  readonly surface: HTMLCanvasElement;
  protected readonly url: string;
  protected readonly end = new AbortController();
  protected readonly screen: Screen;
  private readonly first = deferred<void>();
  private readonly over = deferred<string>();

  constructor(canvas: HTMLCanvasElement, url: string) {
    this.surface = canvas;
    this.screen = new Screen(canvas);
    this.url = url;
  }

  get ended(): Promise<string> {
    return this.over.promise;
  }

  async start(): Promise<void> {
    const running = this.run()
      .then(() => "the node ended the pictures")
      .catch((error: unknown) => (error instanceof Unplayable ? error.message : "the connection was lost"));
    void running.then((reason) => this.over.resolve(reason));
    await Promise.race([
      this.first.promise,
      running.then((reason) => Promise.reject(new Unplayable(reason))),
    ]);
  }

  frames(): number {
    return this.screen.drawn;
  }

  stop(): void {
    this.end.abort();
    this.over.resolve("stopped");
  }

  /** Show pictures until there are no more. */
  protected abstract run(): Promise<void>;

  protected async open(): Promise<Response> {
    let response: Response;
    try {
      response = await fetch(this.url, { credentials: "same-origin", cache: "no-store", signal: this.end.signal });
    } catch {
      throw new Unplayable("the node does not answer");
    }
    if (!response.ok) throw new Unplayable((await problemOf(response)).message);
    return response;
  }

  protected async show(jpeg: Blob): Promise<void> {
    if (this.end.signal.aborted) return;
    try {
      await this.screen.draw(jpeg);
    } catch {
      throw new Unplayable("the node sent a picture that cannot be read");
    }
    this.first.resolve();
  }
}

export class MjpegRung extends PictureRung {
  readonly mode = "mjpeg" as const;

  /** Whether a page may open one more stream. */
  static free(): boolean {
    return streams < STREAMS_MAX;
  }

  protected async run(): Promise<void> {
    streams += 1;
    try {
      const reader = (await this.open()).body?.getReader();
      if (reader === undefined) throw new Unplayable("this browser cannot read a stream of pictures");
      const parser = new Multipart();
      for (;;) {
        const { done, value } = await reader.read();
        if (done) return;
        const newest = parser.push(value).at(-1);
        if (newest !== undefined) await this.show(new Blob([newest], { type: "image/jpeg" }));
      }
    } finally {
      streams -= 1;
    }
  }
}

export class SnapshotRung extends PictureRung {
  readonly mode = "snapshot" as const;

  protected async run(): Promise<void> {
    while (!this.end.signal.aborted) {
      await this.show(await (await this.open()).blob());
      await new Promise((resolve) => window.setTimeout(resolve, SNAPSHOT_PAUSE_MS));
    }
  }
}
