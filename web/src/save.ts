// SPDX-License-Identifier: Apache-2.0
// The figure as a file: the numbers as glim view --csv and --json write them, the
// picture as SVG or PNG with its title, verdict, legend, caption and foot. The
// picture is read off the page as boxes and words, so it looks as it looks there.

import { Level, Matrix, source } from "./document";
import { SVG, Store, make } from "./state";

type Mark =
  | { kind: "box"; x: number; y: number; w: number; h: number; colour: string }
  | { kind: "word"; x: number; y: number; text: string; colour: string; font: string; side: Side };

type Side = "left" | "center" | "right";

/** As printf's %.9g. */
function nine(x: number): string {
  if (x === 0) return "0";
  const [digits, power] = x.toExponential(8).split("e");
  const p = Number(power);
  const trim = (text: string) => (text.includes(".") ? text.replace(/\.?0+$/, "") : text);
  if (p < -4 || p >= 9)
    return `${trim(digits)}e${p < 0 ? "-" : "+"}${String(Math.abs(p)).padStart(2, "0")}`;
  return trim(x.toFixed(8 - p));
}

export function csv(m: Matrix): string {
  const quote = (text: string) => `"${text.replace(/"/g, '""')}"`;
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

const shown = (colour: string) => colour !== "rgba(0, 0, 0, 0)" && colour !== "transparent";

const fontOf = (s: CSSStyleDeclaration) =>
  `${s.fontStyle} ${s.fontWeight} ${s.fontSize} ${s.fontFamily}`;

/** What the style sheet writes: marks of white space, numbers at units. */
function readMarks(element: HTMLElement, origin: DOMRect, out: Mark[]): void {
  const { m, n } = element.dataset;
  const before = getComputedStyle(element, "::before");
  const after = getComputedStyle(element, "::after");
  const rects = element.getClientRects();
  const rect = rects[rects.length - 1];
  if (!rect) return;
  const [x, y] = [rect.left - origin.left, rect.top - origin.top];
  const word = (text: string, style: CSSStyleDeclaration, at: number, down: number, side: Side) =>
    out.push({
      kind: "word",
      x: at,
      y: down,
      text,
      colour: style.color,
      font: fontOf(style),
      side,
    });
  if (m && before.content !== "none") word(m, before, x, y + rect.height / 2, "left");
  if (n && after.content !== "none") {
    const size = parseFloat(after.fontSize);
    if (after.display === "block")
      word(n, after, x + rect.width / 2, y + rect.height - 0.7 * size, "center");
    else word(n, after, x + rect.width - 0.4 * size, y + rect.height - 0.3 * size, "right");
  }
  const missing = after.content === '"\u00d7"';
  if (missing) word("\u00d7", after, x + rect.width, y + rect.height / 2, "right");
}

/** Words of a text node, each where the page has it. */
function readWords(node: Text, origin: DOMRect, out: Mark[]): void {
  const parent = node.parentElement;
  if (!parent) return;
  const style = getComputedStyle(parent);
  const range = document.createRange();
  for (const match of node.data.matchAll(/\S+/g)) {
    const pieces =
      parent.closest(".long, .say, p, h1, footer") && match[0].length > 24
        ? Array.from(match[0])
        : [match[0]];
    let at = match.index ?? 0;
    for (const text of pieces) {
      range.setStart(node, at);
      range.setEnd(node, (at += text.length));
      const rect = range.getBoundingClientRect();
      if (!rect.width) continue;
      const x = (rect.left + rect.right) / 2 - origin.left;
      const y = (rect.top + rect.bottom) / 2 - origin.top;
      out.push({
        kind: "word",
        x,
        y,
        text,
        colour: style.color,
        font: fontOf(style),
        side: "center",
      });
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
    const sides = [style.borderTopWidth, style.borderLeftWidth].map(parseFloat);
    const thick = style.outlineStyle === "none" ? Math.min(...sides) : 1;
    const frame = style.outlineStyle === "none" ? style.borderTopColor : style.outlineColor;
    if (thick && !element.closest(".swatches") && shown(frame)) {
      out.push(
        { ...box, h: thick, colour: frame },
        { ...box, y: y + rect.height - thick, h: thick, colour: frame },
      );
      out.push(
        { ...box, w: thick, colour: frame },
        { ...box, x: x + rect.width - thick, w: thick, colour: frame },
      );
    }
    if (line && shown(style.borderBottomColor) && style.borderBottomStyle === "solid")
      out.push({ ...box, y: y + rect.height - line, h: line, colour: style.borderBottomColor });
    if (line && shown(style.borderBottomColor) && style.borderBottomStyle === "dashed")
      for (let i = 0; i < rect.width; i += 3 * line)
        out.push({
          ...box,
          x: x + i,
          w: Math.min(2 * line, rect.width - i),
          y: y + rect.height - line,
          h: line,
          colour: style.borderBottomColor,
        });
  }
}

function readPage(): { marks: Mark[]; width: number; height: number } {
  const marks: Mark[] = [];
  const parts = [
    "header",
    ".verdict",
    "#glim-strip",
    "#glim-legend",
    "#glim-say",
    ".sum",
    ".caption",
    "footer",
  ];
  const main = document.getElementById("glim") as HTMLElement;
  const frame = main.getBoundingClientRect();
  let down = 16;
  for (const selector of parts)
    for (const part of main.querySelectorAll<HTMLElement>(selector)) {
      const rect = part.getBoundingClientRect();
      if (!rect.height) continue;
      const origin = new DOMRect(frame.left, rect.top - down, 0, 0);
      const walker = document.createTreeWalker(
        part,
        NodeFilter.SHOW_ELEMENT | NodeFilter.SHOW_TEXT,
      );
      for (let node: Node | null = part; node; node = walker.nextNode()) {
        if (node instanceof Text) readWords(node, origin, marks);
        else if (node instanceof HTMLElement) {
          readBoxes(node, origin, marks);
          readMarks(node, origin, marks);
        }
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
    const anchor = { left: "start", center: "middle", right: "end" }[k.side];
    return `<text x="${k.x.toFixed(1)}" y="${k.y.toFixed(1)}" dominant-baseline="central" fill="${k.colour}" text-anchor="${anchor}" ${face}>${escape(k.text)}</text>`;
  });
  const title = escape(document.querySelector("h1")?.textContent ?? "");
  const desc = escape(document.getElementById("glim-say")?.textContent ?? "");
  const size = `width="${Math.ceil(width)}" height="${Math.ceil(height)}"`;
  return `<svg xmlns="${SVG}" ${size} role="img"><title>${title}</title><desc>${desc}</desc><rect width="100%" height="100%" fill="${background}"/>\n${body.join("\n")}\n</svg>\n`;
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
      g.textAlign = k.side;
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
