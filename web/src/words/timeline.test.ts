import assert from "node:assert/strict";
import { test } from "node:test";
import { gapNear, playAt, sceneAt, takeAt } from "./timeline.ts";

const holes = [
  { start: 30, end: 40 },
  { start: 10, end: 12 },
];

test("without holes both times are the same", () => {
  assert.equal(playAt(17.5, []), 17.5);
  assert.equal(takeAt(17.5, []), 17.5);
});

test("after a hole the player is behind by its length", () => {
  assert.equal(playAt(20, holes), 18);
  assert.equal(playAt(50, holes), 38);
});

test("inside a hole the player is where it goes on", () => {
  assert.equal(playAt(35, holes), 28);
});

test("the two are inverse outside holes", () => {
  for (const at of [0, 5, 9.9, 12.5, 25, 41, 100]) assert.ok(Math.abs(takeAt(playAt(at, holes), holes) - at) < 1e-9);
});

test("a scene is found by a moment in it", () => {
  const scenes = [
    { start: 0, end: 4 },
    { start: 4, end: 9 },
  ];
  assert.equal(sceneAt(4, scenes), 1);
  assert.equal(sceneAt(9, scenes), -1);
});

test("the hole that is pointed at is the nearest within reach", () => {
  assert.equal(gapNear(11, holes)?.start, 10);
  assert.equal(gapNear(12.5, holes), null);
  assert.equal(gapNear(12.5, holes, 1)?.start, 10);
  assert.equal(gapNear(29, holes, 100)?.start, 30);
  assert.equal(gapNear(5, [], 100), null);
});
