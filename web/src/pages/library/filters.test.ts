import assert from "node:assert/strict";
import { test } from "node:test";
import { readFilters, toAddress, toApi } from "./filters.ts";

test("filters come back from the address as they were", () => {
  const chosen = readFilters(new URLSearchParams("text=bus&kind=take&sort=name&trash=1"));
  assert.deepEqual(toAddress(chosen), { text: "bus", kind: "take", sort: "name", trash: "1" });
});

test("an order nobody knows is the default", () => {
  const [query, descending] = toApi(readFilters(new URLSearchParams("sort=constructor2")));
  assert.deepEqual([query.order, descending], ["created_ms", true]);
});

test("a day reaches to its end", () => {
  const [query] = toApi(readFilters(new URLSearchParams("since=2026-03-01&until=2026-03-01")));
  const length_ms = Date.parse(query.until ?? "") - Date.parse(query.since ?? "");
  assert.equal(length_ms, 24 * 3600 * 1000 - 1);
});
