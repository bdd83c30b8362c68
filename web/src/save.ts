// SPDX-License-Identifier: Apache-2.0
// A figure as a file: its numbers as glim view --csv writes them, its picture as SVG
// or PNG with the title, verdict, caption and foot of its page, and the document as
// it is. One row of buttons for every figure.

import { pngOf, svgOf } from "./capture";
import { Level, Matrix, source } from "./document";
import { make } from "./state";
import { fill } from "./words";

/** As printf's %.9g. */
export function nine(x: number): string {
  if (x === 0) return "0";
  const [digits, power] = x.toExponential(8).split("e");
  const p = Number(power);
  const trim = (text: string) => (text.includes(".") ? text.replace(/\.?0+$/, "") : text);
  if (p < -4 || p >= 9)
    return `${trim(digits)}e${p < 0 ? "-" : "+"}${String(Math.abs(p)).padStart(2, "0")}`;
  return trim(x.toFixed(8 - p));
}

const quote = (cell: string) => `"${cell.replace(/"/g, '""')}"`;

/** Lines of cells; null = nothing there. */
export function csvOf(lines: (string | number | null | undefined)[][]): string {
  const cell = (x: string | number | null | undefined) =>
    x === null || x === undefined ? "" : typeof x === "number" ? nine(x) : quote(x);
  return lines.map((line) => line.map(cell).join(",")).join("\r\n") + "\r\n";
}

export function csv(m: Matrix): string {
  const number = (x: number | null | undefined) => (x === null || x === undefined ? "" : nine(x));
  const names = `${m.many ? "row,row_text," : ""}unit,text,start,end,fixed,score,error`;
  const lines = [names + (m.levels.length ? ",level" : "")];
  const own: Level = { unit: m.unit, units: m.units, scores: m.scores, error: m.errors };
  m.rows.forEach((row, r) =>
    [own, ...m.levels].forEach((level) =>
      level.units.forEach((unit, u) => {
        const fixed = level === own && m.units[u].fixed;
        const cells = [u, quote(unit.text), unit.start, unit.end, Number(fixed)];
        cells.push(number(level.scores[r][u]), number(level.error?.[r][u]));
        if (m.levels.length) cells.push(level.unit);
        lines.push((m.many ? `${r},${quote(row.text)},` : "") + cells.join(","));
      }),
    ),
  );
  return lines.join("\r\n") + "\r\n";
}

/** What a table shows, cell by cell. */
export function csvOfTable(table: HTMLTableElement): string {
  return csvOf(
    Array.from(table.rows, (row) => Array.from(row.cells, (c) => c.textContent?.trim() ?? "")),
  );
}

export function offer(blob: Blob, name: string): void {
  const address = URL.createObjectURL(blob);
  const digest = document.getElementById("glim-digest")?.textContent ?? "";
  const link = make("a", {
    href: address,
    download: ["glim", digest].filter(Boolean).join("-") + name,
  });
  document.body.append(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(address), 10_000);
}

/** The clipboard is not open to every local page: a hidden field serves there. */
export async function copy(text: string): Promise<void> {
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    const area = make("textarea", { "aria-hidden": "true" });
    area.value = text;
    document.body.append(area);
    area.select();
    document.execCommand("copy");
    area.remove();
  }
}

export function button(
  key: Parameters<typeof fill>[1],
  act: (self: HTMLButtonElement) => void,
): HTMLButtonElement {
  const self = fill(make("button", { type: "button" }), key);
  self.addEventListener("click", () => act(self));
  return self;
}

export interface Figure {
  name: string; // of its files: "" or "-effect"
  title: () => string;
  says: () => string; // the figure in words
  parts: () => Iterable<Element>; // what belongs into its picture, from the top
  csv: () => string;
  table?: () => void; // shows the numbers as a table
}

/** The title and what a picture must not lack, around the figure itself. */
export function around(...figure: (Element | null)[]): Element[] {
  const all = (selector: string) =>
    Array.from(document.querySelectorAll<HTMLElement>(`#glim > ${selector}`));
  return [
    ...all("header"),
    ...all(".verdict"),
    ...figure.filter((f): f is Element => f !== null),
    ...all(".sum"),
    ...all(".caption"),
    ...all("footer"),
  ];
}

export function saveBar(f: Figure): HTMLElement {
  const bar = make("div", { class: "bar save" }, fill(make("span"), "save"));
  const put = (kind: string, act: () => void | Promise<void>) => {
    const self = make("button", { type: "button" }, kind);
    self.addEventListener("click", () => void act());
    bar.append(self);
  };
  const draw = () => svgOf(f.parts(), f.title(), f.says());
  put("CSV", () => offer(new Blob([f.csv()], { type: "text/csv" }), `${f.name}.csv`));
  put("JSON", () => offer(new Blob([source()], { type: "application/json" }), ".json"));
  put("SVG", () => offer(new Blob([draw()], { type: "image/svg+xml" }), `${f.name}.svg`));
  put("PNG", async () => {
    const blob = await pngOf(draw());
    if (blob) offer(blob, `${f.name}.png`);
  });
  if (f.table) bar.append(button("save.table", f.table));
  bar.append(button("copy", (self) => void copy(location.href).then(() => fill(self, "copied"))));
  return bar;
}
