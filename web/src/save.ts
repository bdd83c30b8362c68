// SPDX-License-Identifier: Apache-2.0
// The figure as a file: the numbers as glim view --csv and --json write them, the
// picture as SVG or PNG with its title, verdict, legend, caption and foot. The
// picture is read off the page as boxes and words, so it looks as it looks there.

import { Matrix, source } from "./document";
import { Store, make } from "./state";

type Mark =
  | { kind: "box"; x: number; y: number; w: number; h: number; colour: string }
  | { kind: "word"; x: number; y: number; text: string; colour: string; font: string; rtl: boolean };

/** As printf's %.9g. */
function nine(x: number): string {
  if (x === 0) return "0";
  const [digits, power] = x.toExponential(8).split("e");
  const p = Number(power);
  const trim = (text: string) => (text.includes(".") ? text.replace(/\.?0+$/, "") : text);
  if (p < -4 || p >= 9) return `${trim(digits)}e${p < 0 ? "-" : "+"}${String(Math.abs(p)).padStart(2, "0")}`;
  return trim(x.toFixed(8 - p));
}

export function csv(m: Matrix): string {
  const quote = (text: string) => `"${text.replace(/"/g, '""')}"`;
  const number = (x: number | null | undefined) => (x === null || x === undefined ? "" : nine(x));
  const lines = [`${m.many ? "row,row_text," : ""}unit,text,start,end,fixed,score,error`];
  m.scores.forEach((row, r) =>
    row.forEach((score, u) => {
      const unit = m.units[u];
      const cells = [u, quote(unit.text), unit.start, unit.end, Number(unit.fixed)];
      cells.push(number(score), number(m.errors?.[r][u]));
      lines.push((m.many ? `${r},${quote(m.rows[r].text)},` : "") + cells.join(","));
    }),
  );
  return lines.join("\r\n") + "\r\n";
}

const shown = (colour: string) => colour !== "rgba(0, 0, 0, 0)" && colour !== "transparent";

/** Words of a text node, each where the page has it. */
function readWords(node: Text, origin: DOMRect, out: Mark[]): void {
  const parent = node.parentElement;
  if (!parent) return;
  const style = getComputedStyle(parent);
  const range = document.createRange();
  for (const match of node.data.matchAll(/\S+/g)) {
    const pieces = parent.closest(".long, .say, p, h1, footer") && match[0].length > 24 ? Array.from(match[0]) : [match[0]];
    let at = match.index ?? 0;
    for (const text of pieces) {
      range.setStart(node, at);
      range.setEnd(node, (at += text.length));
      const rect = range.getBoundingClientRect();
      if (!rect.width) continue;
      const rtl = style.direction === "rtl";
      const font = `${style.fontStyle} ${style.fontWeight} ${style.fontSize} ${style.fontFamily}`;
      const x = (rtl ? rect.right : rect.left) - origin.left;
      out.push({ kind: "word", x, y: (rect.top + rect.bottom) / 2 - origin.top, text, colour: style.color, font, rtl });
    }
  }
}

function readBoxes(element: Element, origin: DOMRect, out: Mark[]): void {
  const style = getComputedStyle(element);
  const line = parseFloat(style.borderBottomWidth);
  for (const rect of element.getClientRects()) {
    const [x, y] = [rect.left - origin.left, rect.top - origin.top];
    const box = { kind: "box" as const, x, y, w: rect.width, h: rect.height };
    if (shown(style.backgroundColor)) out.push({ ...box, colour: style.backgroundColor });
    if (line && shown(style.borderBottomColor) && style.borderBottomStyle === "solid")
      out.push({ ...box, y: y + rect.height - line, h: line, colour: style.borderBottomColor });
    if (line && shown(style.borderBottomColor) && style.borderBottomStyle === "dashed")
      for (let i = 0; i < rect.width; i += 3 * line)
        out.push({ ...box, x: x + i, w: Math.min(2 * line, rect.width - i), y: y + rect.height - line, h: line, colour: style.borderBottomColor });
  }
}

function readPage(): { marks: Mark[]; width: number; height: number } {
  const marks: Mark[] = [];
  const parts = ["header", ".verdict", "#glim-strip", "#glim-legend", "#glim-say", ".sum", ".caption", "footer"];
  const main = document.getElementById("glim") as HTMLElement;
  const frame = main.getBoundingClientRect();
  let down = 16;
  for (const selector of parts)
    for (const part of main.querySelectorAll<HTMLElement>(selector)) {
      const rect = part.getBoundingClientRect();
      if (!rect.height) continue;
      const origin = new DOMRect(frame.left, rect.top - down, 0, 0);
      const walker = document.createTreeWalker(part, NodeFilter.SHOW_ELEMENT | NodeFilter.SHOW_TEXT);
      for (let node: Node | null = part; node; node = walker.nextNode()) {
        if (node instanceof Text) readWords(node, origin, marks);
        else if (node instanceof Element && !node.classList.contains("unseen")) readBoxes(node, origin, marks);
      }
      down += rect.height + 10;
    }
  return { marks, width: frame.width, height: down + 8 };
}

const escape = (text: string) => text.replace(/[<>&"]/g, (c) => `&#${c.charCodeAt(0)};`);

export function svg(): string {
  const { marks, width, height } = readPage();
  const background = getComputedStyle(document.body).backgroundColor;
  const body = marks.map((k) => {
    if (k.kind === "box")
      return `<rect x="${k.x.toFixed(1)}" y="${k.y.toFixed(1)}" width="${k.w.toFixed(1)}" height="${k.h.toFixed(1)}" fill="${k.colour}"/>`;
    const [style, weight, size, ...family] = k.font.split(" ");
    const face = `font-style="${style}" font-weight="${weight}" font-size="${size}" font-family="${escape(family.join(" "))}"`;
    const side = k.rtl ? ' direction="rtl"' : "";
    return `<text x="${k.x.toFixed(1)}" y="${k.y.toFixed(1)}" dominant-baseline="central" fill="${k.colour}" ${face}${side}>${escape(k.text)}</text>`;
  });
  const title = escape(document.querySelector("h1")?.textContent ?? "");
  const desc = escape(document.getElementById("glim-say")?.textContent ?? "");
  const size = `width="${Math.ceil(width)}" height="${Math.ceil(height)}"`;
  return `<svg xmlns="http://www.w3.org/2000/svg" ${size} role="img"><title>${title}</title><desc>${desc}</desc><rect width="100%" height="100%" fill="${background}"/>\n${body.join("\n")}\n</svg>\n`;
}

function png(done: (blob: Blob | null) => void): void {
  const { marks, width, height } = readPage();
  const canvas = make("canvas");
  const ratio = Math.min(2, 16000 / Math.max(width, height));
  canvas.width = Math.ceil(width * ratio);
  canvas.height = Math.ceil(height * ratio);
  const g = canvas.getContext("2d");
  if (!g) return;
  g.scale(ratio, ratio);
  g.fillStyle = getComputedStyle(document.body).backgroundColor;
  g.fillRect(0, 0, width, height);
  g.textBaseline = "middle";
  for (const k of marks) {
    g.fillStyle = k.colour;
    if (k.kind === "box") g.fillRect(k.x, k.y, k.w, k.h);
    else {
      g.font = k.font;
      g.direction = k.rtl ? "rtl" : "ltr";
      g.textAlign = k.rtl ? "right" : "left";
      g.fillText(k.text, k.x, k.y);
    }
  }
  canvas.toBlob(done);
}

function offer(blob: Blob, ending: string): void {
  const address = URL.createObjectURL(blob);
  const digest = document.getElementById("glim-digest")?.textContent ?? "";
  const link = make("a", { href: address, download: `glim-${digest}.${ending}` });
  document.body.append(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(address), 10_000);
}

export function saveAs(kind: "CSV" | "JSON" | "SVG" | "PNG", m: Matrix, store: Store): void {
  store.change({ unit: null });
  if (kind === "CSV") offer(new Blob([csv(m)], { type: "text/csv" }), "csv");
  if (kind === "JSON") offer(new Blob([source()], { type: "application/json" }), "json");
  if (kind === "SVG") offer(new Blob([svg()], { type: "image/svg+xml" }), "svg");
  if (kind === "PNG") png((blob) => blob && offer(blob, "png"));
}
