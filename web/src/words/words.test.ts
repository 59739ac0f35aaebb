import assert from "node:assert/strict";
import { test } from "node:test";
import { bitRate, bytes, codecName, frameRate, nOfM, pictureSize } from "./amounts.ts";
import { counter, dayEdge, inWords, since, timecode } from "./time.ts";

test("what is not known is a dash", () => {
  for (const shown of [bytes(null), bitRate(undefined), frameRate(null), pictureSize(1920, null), nOfM(null, 3)]) {
    assert.equal(shown, "–");
  }
  assert.equal(timecode(Number.NaN), "–");
});

test("bytes are in decimal units and never show 1000 of one", () => {
  assert.equal(bytes(0), "0 B");
  assert.equal(bytes(999_700), "1.0 MB");
  assert.equal(bytes(4_200_000_000), "4.2 GB");
});

test("timecodes have hours only when there are some", () => {
  assert.equal(timecode(65.9), "1:05");
  assert.equal(timecode(3723), "1:02:03");
  assert.equal(counter(65), "00:01:05");
});

test("durations in words", () => {
  assert.equal(inWords(2.34), "2.3 s");
  assert.equal(inWords(59.7), "1 min 0 s");
});

test("codecs have the names cameras give them", () => {
  assert.equal(codecName("hevc"), "H.265");
  assert.equal(codecName("avc1.64001f"), "H.264");
  assert.equal(codecName(null), "–");
});

test("time since a moment is never negative", () => {
  assert.equal(since("2026-01-01T00:00:10Z", Date.parse("2026-01-01T00:00:00Z")), 0);
  assert.equal(since(null, 0), null);
});

test("a day ends after it starts", () => {
  assert.ok(dayEdge("2026-03-01", "start") < dayEdge("2026-03-01", "end"));
  assert.equal(dayEdge("", "start"), "");
});
