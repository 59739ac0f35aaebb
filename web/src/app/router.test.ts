import assert from "node:assert/strict";
import { test } from "node:test";
import { linkToken, parseRoute, to } from "./router.ts";

test("an empty hash is the wall", () => {
  assert.equal(parseRoute("").page, "wall");
  assert.equal(parseRoute("#/").page, "wall");
});

test("an asset opens at a moment", () => {
  const route = parseRoute(to.asset("a/b", 12.345));
  assert.deepEqual([route.page, route.id, route.query.get("t")], ["asset", "a/b", "12.35"]);
});

test("a camera without an id is nowhere", () => {
  assert.equal(parseRoute("#/camera").page, "nowhere");
});

test("filters survive the address", () => {
  const route = parseRoute(to.library({ text: "red bus & tram", kind: "" }));
  assert.equal(route.query.get("text"), "red bus & tram");
  assert.equal(route.query.has("kind"), false);
});

test("a login link's token is read, and only from a login link", () => {
  assert.equal(linkToken("#/login/abc-_1"), "abc-_1");
  assert.equal(linkToken("#/login"), null);
  assert.equal(linkToken("#/library"), null);
});

test("a hash that cannot be decoded does not break the page", () => {
  assert.equal(parseRoute("#/asset/%E0%A4%A").id, "%E0%A4%A");
});
