// SPDX-License-Identifier: Apache-2.0
// Checks the types and writes the page of glim serve: node build-page.mjs FOLDER
// makes page.html, app.js and app.css there. The colours are the reports'.
import { execFileSync } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { build, transform } from "esbuild";

const MOST = 250_000; // bytes of the page's script
const here = fileURLToPath(new URL(".", import.meta.url));
const out = process.argv[2] ?? "page";
mkdirSync(out, { recursive: true });

execFileSync(
  process.execPath,
  [`${here}node_modules/typescript/bin/tsc`, "-p", `${here}page/tsconfig.json`],
  { stdio: "inherit" },
);
await build({
  entryPoints: [`${here}page/main.tsx`],
  outfile: `${out}/app.js`,
  bundle: true,
  minify: true,
  format: "iife",
  target: "es2022",
  charset: "utf8",
  jsx: "automatic",
  jsxImportSource: "preact",
  legalComments: "none",
  logLevel: "warning",
});
const script = readFileSync(`${out}/app.js`);
if (script.length > MOST) throw new Error(`app.js has more than ${MOST} bytes`);
// a "w3.org" is the name of SVG and MathML, which Preact gives to the browser
const wrong =
  /\beval\b|\bFunction\s*\(|\bimport\s*\(|\bWebSocket\b|https?:\/\/(?!www\.w3\.org)|innerHTML\s*=(?!=)/.exec(
    script.toString("utf8").replace(/dangerouslySetInnerHTML/g, ""),
  );
if (wrong && !wrong[0].startsWith("innerHTML"))
  throw new Error(`app.js holds '${wrong[0]}', which the page's policy forbids`);

const colours = readFileSync(`${here}src/report.css`, "utf8").split("*{box-sizing")[0];
const style = colours + readFileSync(`${here}page/page.css`, "utf8");
const { code } = await transform(style, { loader: "css", minify: true, charset: "utf8" });
writeFileSync(`${out}/app.css`, code);
writeFileSync(`${out}/page.html`, readFileSync(`${here}page/page.html`));
