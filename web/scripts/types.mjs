// Generate the client's types from the gateway's OpenAPI, where it was written to docs/openapi.json.
import { existsSync } from "node:fs";
import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";

const source = fileURLToPath(new URL("../../docs/openapi.json", import.meta.url));
const target = fileURLToPath(new URL("../src/api/openapi.d.ts", import.meta.url));
const tool = fileURLToPath(new URL("../node_modules/openapi-typescript/bin/cli.js", import.meta.url));

if (!existsSync(source)) {
  console.error(`There is no ${source}. Save a node's /api/v1/openapi.json there, then run this again.`);
  process.exit(1);
}
process.exit(spawnSync(process.execPath, [tool, source, "--output", target], { stdio: "inherit" }).status ?? 1);
