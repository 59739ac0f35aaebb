import assert from "node:assert/strict";
import { test } from "node:test";
import { bitRate, bytes, codecName, frameRate, nOfM, pictureSize } from "./amounts.ts";
import { behind, lagTime } from "./lag.ts";
import { sentence } from "./sentence.ts";
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

test("what waits to be copied has waited some time", () => {
  assert.equal(behind(0, 2_400_000), "2.4 MB, under 1 s");
  assert.equal(behind(12, 2_400_000), "2.4 MB, 12 s");
  assert.equal(behind(0, 0), "0 B");
  assert.equal(behind(null, null), "–");
  assert.equal(lagTime(0, 0), "0 s");
});

test("a sentence has a capital and an end, and the case of names and addresses stays", () => {
  assert.equal(sentence("the disk is full"), "The disk is full.");
  assert.equal(sentence("rtsp://10.0.0.1/cam wants a password"), "rtsp://10.0.0.1/cam wants a password.");
  assert.equal(sentence("/srv/clips/a.mp4 is not there"), "/srv/clips/a.mp4 is not there.");
  assert.equal(sentence("list.mp4 is no media file"), "list.mp4 is no media file.");
  assert.equal(sentence("v4l2:/dev/video0 is busy"), "v4l2:/dev/video0 is busy.");
  assert.equal(sentence("its node C does not answer"), "Its node C does not answer.");
});
