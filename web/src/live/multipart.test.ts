import assert from "node:assert/strict";
import { test } from "node:test";
import { Multipart, NotMultipart } from "./multipart.ts";

const encode = (text: string): Uint8Array => new TextEncoder().encode(text);
const decode = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);
const part = (body: string): string =>
  `--picture\r\nContent-Type: image/jpeg\r\nContent-Length: ${body.length}\r\n\r\n${body}\r\n`;

test("whole parts come out as they went in", () => {
  assert.deepEqual(new Multipart().push(encode(part("one") + part("two"))).map(decode), ["one", "two"]);
});

test("it does not matter how the bytes are cut", () => {
  const parser = new Multipart();
  const found: string[] = [];
  for (const byte of encode(part("a\r\n\r\nb") + part("") + part("three"))) {
    found.push(...parser.push(Uint8Array.of(byte)).map(decode));
  }
  assert.deepEqual(found, ["a\r\n\r\nb", "", "three"]);
});

test("a part without a length is refused", () => {
  assert.throws(() => new Multipart().push(encode("--picture\r\nContent-Type: image/jpeg\r\n\r\n")), NotMultipart);
});

test("a head without an end is refused before it grows", () => {
  assert.throws(() => new Multipart().push(new Uint8Array(9000).fill(65)), NotMultipart);
});
