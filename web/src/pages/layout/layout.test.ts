import assert from "node:assert/strict";
import { test } from "node:test";
import type { Layout, Seat } from "../../api/types.ts";
import { ordersOf, wantedWords, weightBytes, weightField, zonesOf, type Wanted } from "./orders.ts";
import { paceOf, progressOf, sampled, type Sample } from "./progress.ts";

const seat = (id: string, more: Partial<Seat> = {}): Seat => ({
  id,
  name: id,
  state: "active",
  zone: "",
  weight_bytes: 1e12,
  partitions: 512,
  bytes: 1e9,
  chunks: 100,
  partitions_behind: 0,
  chunks_to_copy: 0,
  looked_at: 1,
  moved_bytes: 0,
  read_only: false,
  synced: true,
  present: true,
  ...more,
});
const layout = (nodes: Seat[], more: Partial<Layout> = {}): Layout => ({
  version: "v",
  parents: [],
  moving: false,
  heads: 1,
  copies: 2,
  zone_violations: 0,
  uneven: 1,
  nodes,
  ...more,
});
const wanted = (more: Partial<Wanted>): Wanted => ({ act: "keep", by: "", weight_bytes: null, zone: null, ...more });

test("what is wanted of several nodes is one order", () => {
  const orders = ordersOf(
    new Map([
      ["a", wanted({ act: "drain", zone: "attic" })],
      ["b", wanted({ act: "replace", by: "c" })],
      ["d", wanted({ weight_bytes: 5, act: "add" })],
    ]),
    true,
  );
  assert.deepEqual([orders?.drain, orders?.add, orders?.remove], [["a"], ["d"], []]);
  assert.deepEqual(orders?.replace, [{ old: "b", new: "c" }]);
  assert.deepEqual([orders?.weight, orders?.zone, orders?.force], [{ d: 5 }, { a: "attic" }, true]);
  assert.equal(ordersOf(new Map(), false), null);
});

test("what is wanted is told a part at a time", () => {
  const told = wantedWords(seat("attic"), wanted({ act: "replace", by: "b", weight_bytes: 2e12, zone: "" }), () => "barn");
  assert.deepEqual(told, ["barn takes the place of attic", "attic weighs 2.0 TB", "attic stands in no zone"]);
});

test("a weight goes into its field and comes out as it was", () => {
  for (const size of [5e8, 16e9, 1e12, 2.5e12]) {
    const { amount, unit } = weightField(size);
    assert.equal(weightBytes(amount, unit), size);
  }
  for (const none of ["", " ", "0", "-1", "much"]) assert.equal(weightBytes(none, "GB"), null);
  assert.equal(weightBytes("1,5", "TB"), 1.5e12);
});

test("nodes stand by zone, those of none last, and who was taken out nowhere", () => {
  const zones = zonesOf([seat("z"), seat("b", { zone: "cellar" }), seat("a", { zone: "attic" }), seat("x", { state: "removed" })]);
  assert.deepEqual(zones.map((one) => [one.name, one.seats.map((inside) => inside.id)]), [
    ["attic", ["a"]],
    ["cellar", ["b"]],
    ["", ["z"]],
  ]);
});

test("everything is where it belongs only when every node has looked, and nothing waits", () => {
  assert.equal(progressOf(layout([seat("a")])).done, true);
  const half = progressOf(layout([seat("a", { looked_at: 0.5 }), seat("b", { chunks: 300 }), seat("new", { chunks: 0, looked_at: 0 })]));
  assert.deepEqual([half.done, half.part], [false, 0.875]);
  assert.equal(progressOf(layout([seat("a", { state: "draining", partitions: 0 })])).done, false);
  assert.match(progressOf(layout([seat("a", { synced: false, present: false })], { moving: true })).waits[0] ?? "", /Start it/);
});

test("the pace is that of the last half minute, and begins anew with another movement", () => {
  let samples: Sample[] = [];
  for (let at_s = 0; at_s <= 60; at_s += 2) samples = sampled(samples, { at_ms: at_s * 1000, part: at_s / 100, moved_bytes: at_s * 1e6 });
  assert.equal(samples[0]?.at_ms, 30_000);
  const pace = paceOf(samples);
  assert.deepEqual([pace.rate_bytes_s, Math.round(pace.left_s ?? 0)], [1e6, 40]);
  samples = sampled(samples, { at_ms: 62_000, part: 0.1, moved_bytes: 62e6 });
  assert.equal(samples.length, 1);
  assert.deepEqual(paceOf(samples), { rate_bytes_s: null, left_s: null });
});
