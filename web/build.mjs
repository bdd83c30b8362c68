// SPDX-License-Identifier: Apache-2.0
// Checks the types and writes the viewer as one script: node build.mjs OUT.js
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const MOST = 250_000; // bytes of a report's script
const here = fileURLToPath(new URL(".", import.meta.url));
const out = process.argv[2] ?? "viewer.js";

execFileSync(process.execPath, [`${here}node_modules/typescript/bin/tsc`, "-p", here], {
  stdio: "inherit",
});
await build({
  entryPoints: [`${here}src/viewer.ts`],
  outfile: out,
  bundle: true,
  minify: true,
  format: "iife",
  target: "es2022",
  charset: "ascii", // nothing in it can end the script element or depend on an encoding
  legalComments: "none",
  logLevel: "warning",
});
const script = readFileSync(out, "latin1");
if (script.length > MOST) throw new Error(`${out} has more than ${MOST} bytes`);
const wrong =
  /\beval\b|\bFunction\s*\(|\bimport\s*\(|\bfetch\s*\(|XMLHttpRequest|WebSocket|https?:\/\//.exec(
    script,
  );
if (wrong) throw new Error(`${out} holds '${wrong[0]}', which the report's policy forbids`);
