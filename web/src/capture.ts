// SPDX-License-Identifier: Apache-2.0
// A part of the page as an SVG: read off the page as boxes, words and drawings, each
// where the page has it, so that it looks as it looks there.

import { SVG } from "./state";

type Mark =
  | { kind: "box"; x: number; y: number; w: number; h: number; colour: string }
  | { kind: "word"; x: number; y: number; text: string; colour: string; font: string; side: Side }
  | { kind: "drawing"; markup: string };

type Side = "left" | "center" | "right";

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

/** What the style sheet gives to shapes, as attributes. */
const SHAPED = [
  "fill",
  "fill-opacity",
  "stroke",
  "stroke-width",
  "stroke-opacity",
  "stroke-dasharray",
  "opacity",
  "paint-order",
  "text-anchor",
  "dominant-baseline",
  "font-size",
  "font-weight",
  "font-family",
] as const;

function readDrawing(drawing: SVGSVGElement, origin: DOMRect, out: Mark[]): void {
  const rect = drawing.getBoundingClientRect();
  const copy = drawing.cloneNode(true) as SVGSVGElement;
  const from = [drawing, ...drawing.querySelectorAll("*")];
  [copy, ...copy.querySelectorAll("*")].forEach((element, i) => {
    const style = getComputedStyle(from[i]);
    for (const name of SHAPED) {
      const value = style.getPropertyValue(name);
      if (value && element !== copy) element.setAttribute(name, value);
    }
    if (style.filter !== "none") element.setAttribute("filter", style.filter);
    element.removeAttribute("class");
  });
  const place = { x: rect.left - origin.left, y: rect.top - origin.top };
  for (const [key, value] of Object.entries({ ...place, width: rect.width, height: rect.height }))
    copy.setAttribute(key, String(value));
  out.push({ kind: "drawing", markup: new XMLSerializer().serializeToString(copy) });
}

function readCanvas(canvas: HTMLCanvasElement, origin: DOMRect, out: Mark[]): void {
  const rect = canvas.getBoundingClientRect();
  const place = `x="${rect.left - origin.left}" y="${rect.top - origin.top}"`;
  const size = `width="${rect.width}" height="${rect.height}"`;
  const href = canvas.toDataURL("image/png");
  out.push({ kind: "drawing", markup: `<image ${place} ${size} href="${href}"/>` });
}

const ASIDE = ".bar, .unseen, .detail, button, input, select, details:not([open]) > :not(summary)";

function read(node: Node, origin: DOMRect, out: Mark[]): void {
  if (node instanceof Text) return readWords(node, origin, out);
  if (!(node instanceof Element) || (node.matches(ASIDE) && !node.matches(".row"))) return;
  if (!node.getClientRects().length) return;
  if (node instanceof SVGSVGElement) return readDrawing(node, origin, out);
  if (node instanceof HTMLCanvasElement) return readCanvas(node, origin, out);
  if (node instanceof HTMLElement) {
    readBoxes(node, origin, out);
    readMarks(node, origin, out);
  }
  for (const child of node.childNodes) read(child, origin, out);
}

const escape = (text: string) => text.replace(/[<>&"]/g, (c) => `&#${c.charCodeAt(0)};`);

function markup(k: Mark): string {
  if (k.kind === "drawing") return k.markup;
  if (k.kind === "box")
    return `<rect x="${k.x.toFixed(1)}" y="${k.y.toFixed(1)}" width="${k.w.toFixed(1)}" height="${k.h.toFixed(1)}" fill="${k.colour}"/>`;
  const [style, weight, size, ...family] = k.font.split(" ");
  const face = `font-style="${style}" font-weight="${weight}" font-size="${size}" font-family="${escape(family.join(" "))}"`;
  const anchor = { left: "start", center: "middle", right: "end" }[k.side];
  return `<text x="${k.x.toFixed(1)}" y="${k.y.toFixed(1)}" dominant-baseline="central" fill="${k.colour}" text-anchor="${anchor}" ${face}>${escape(k.text)}</text>`;
}

/** The parts under each other. What scrolls is opened while it is read. */
export function svgOf(parts: Iterable<Element>, name: string, said: string): string {
  const marks: Mark[] = [];
  const main = document.getElementById("glim") as HTMLElement;
  document.body.classList.add("whole");
  const frame = main.getBoundingClientRect();
  let [down, width] = [16, frame.width];
  for (const part of parts) {
    const rect = part.getBoundingClientRect();
    if (!rect.height) continue;
    read(part, new DOMRect(frame.left, rect.top - down, 0, 0), marks);
    width = Math.max(width, part.scrollWidth + rect.left - frame.left + 24);
    down += Math.max(rect.height, part.scrollHeight) + 10;
  }
  document.body.classList.remove("whole");
  const background = getComputedStyle(document.body).backgroundColor;
  const size = `width="${Math.ceil(width)}" height="${Math.ceil(down + 8)}"`;
  return `<svg xmlns="${SVG}" ${size} role="img"><title>${escape(name)}</title><desc>${escape(said)}</desc><rect width="100%" height="100%" fill="${background}"/>\n${marks.map(markup).join("\n")}\n</svg>\n`;
}

/** The same as a bitmap of twice the size, drawn by the browser. */
export async function pngOf(svg: string): Promise<Blob | null> {
  const image = new Image();
  image.src = `data:image/svg+xml;charset=utf-8,${encodeURIComponent(svg)}`;
  await image.decode();
  const ratio = Math.min(2, 16000 / Math.max(image.width, image.height));
  const canvas = document.createElement("canvas");
  canvas.width = Math.ceil(image.width * ratio);
  canvas.height = Math.ceil(image.height * ratio);
  canvas.getContext("2d")?.drawImage(image, 0, 0, canvas.width, canvas.height);
  return new Promise((done) => canvas.toBlob(done));
}
