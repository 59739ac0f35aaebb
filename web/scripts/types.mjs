// Write the client's types from the gateway's OpenAPI, docs/openapi.json, which `make docs` makes from the routes.
// With --check: say whether they are out of date, and change nothing.
import { readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import openapiTS, { astToString } from "openapi-typescript";

const source = new URL("../../docs/openapi.json", import.meta.url);
const target = fileURLToPath(new URL("../src/api/openapi.d.ts", import.meta.url));
const HEAD = "// Made by `make docs` from docs/openapi.json; do not edit.\n";

// What is not said to be absent is there: a default is what the node takes when a body leaves a field out.
const made = HEAD + astToString(await openapiTS(source, { defaultNonNullable: false, alphabetize: true }));

if (process.argv.includes("--check")) {
  let written = "";
  try {
    written = readFileSync(target, "utf8");
  } catch {
    // Not there is out of date as well.
  }
  if (written !== made) {
    console.error("web/src/api/openapi.d.ts is out of date; run `make docs` and commit what it writes");
    process.exit(1);
  }
} else {
  writeFileSync(target, made);
}
