/**
 * The parts of a multipart/x-mixed-replace stream, read by their Content-Length.
 *
 * Parsing it here instead of giving it to an <img> is what lets the player see that pictures stop coming, say why, and
 * give the connection back. Bounds: a part of at most PART_BYTES_MAX, heads of at most HEAD_BYTES_MAX.
 */
const PART_BYTES_MAX = 16 << 20;
const HEAD_BYTES_MAX = 8 << 10;

export class NotMultipart extends Error {
  override readonly name = "NotMultipart";
}

/** Takes bytes as they come, gives whole bodies. */
export class Multipart {
  private held: Uint8Array<ArrayBuffer> = new Uint8Array(0);
  private wanted: number | null = null;

  /** Take bytes; gives the bodies that are whole now. Throws NotMultipart. */
  push(data: Uint8Array): Uint8Array<ArrayBuffer>[] {
    const joined = new Uint8Array(this.held.length + data.length);
    joined.set(this.held);
    joined.set(data, this.held.length);
    this.held = joined;
    const bodies: Uint8Array<ArrayBuffer>[] = [];
    for (;;) {
      if (this.wanted === null && !this.head()) return bodies;
      const size = this.wanted ?? 0;
      if (this.held.length < size) return bodies;
      bodies.push(this.held.slice(0, size));
      this.held = this.held.slice(size);
      this.wanted = null;
    }
  }

  private head(): boolean {
    const end = endOfHead(this.held);
    if (end < 0) {
      if (this.held.length > HEAD_BYTES_MAX) throw new NotMultipart("a part's head has no end");
      return false;
    }
    const text = new TextDecoder("latin1").decode(this.held.subarray(0, end));
    const size = Number(/content-length:\s*(\d+)/i.exec(text)?.[1] ?? Number.NaN);
    if (!Number.isInteger(size) || size > PART_BYTES_MAX) throw new NotMultipart("a part does not say its length");
    this.held = this.held.slice(end);
    this.wanted = size;
    return true;
  }
}

function endOfHead(bytes: Uint8Array): number {
  for (let at = 3; at < bytes.length; at++) {
    if (bytes[at] === 10 && bytes[at - 1] === 13 && bytes[at - 2] === 10 && bytes[at - 3] === 13) {
      // Two line ends in a row may also be what ends the part before: a head has letters.
      if (at > 3) return at + 1;
    }
  }
  return -1;
}
