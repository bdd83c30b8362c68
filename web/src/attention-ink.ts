// SPDX-License-Identifier: Apache-2.0
// Colours of amounts on a canvas, from the style sheet, so that light and dark follow it.
// Up to 64 x 64 cells have the legend's nine steps; larger ones run on between them.

import { onLook } from "./ink";

export interface Ink {
  steps: [number, number, number][]; // a0 .. a8
  bg: string;
  fg: string;
  soft: string;
  line: string;
  edge: string;
  none: string;
  categories: string[];
}

export const FONT = '12px system-ui,"Noto Sans","Noto Sans CJK SC","DejaVu Sans",sans-serif';
export const DECADES = 4; // of a logarithmic scale

function rgb(hex: string): [number, number, number] {
  const long = hex.length === 4 ? hex.replace(/[0-9a-f]/gi, "$&$&") : hex;
  const n = parseInt(long.slice(1), 16);
  return [n >> 16, (n >> 8) & 255, n & 255];
}

export function readInk(): Ink {
  const style = getComputedStyle(document.documentElement);
  const value = (name: string) => style.getPropertyValue(`--${name}`).trim();
  return {
    steps: Array.from({ length: 9 }, (_, i) => rgb(value(`a${i}`))),
    bg: value("bg"),
    fg: value("fg"),
    soft: value("soft"),
    line: value("line"),
    edge: value("edge"),
    none: value("none"),
    categories: Array.from({ length: 6 }, (_, i) => value(`c${i + 1}`)),
  };
}

/** Where a weight lies on the scale from 0 to 1. */
export function place(weight: number, limit: number, log: boolean): number {
  if (!(weight > 0) || !(limit > 0)) return 0;
  const share = Math.min(1, weight / limit);
  return log ? Math.max(0, 1 + Math.log10(share) / DECADES) : share;
}

/** 256 colours, as 32-bit pixels of a canvas. */
export function table(ink: Ink, steps: boolean): Uint32Array {
  const out = new Uint32Array(256);
  for (let i = 0; i < 256; i++) {
    const x = steps ? Math.round((8 * i) / 255) : (8 * i) / 255;
    const [low, high] = [ink.steps[Math.floor(x)], ink.steps[Math.min(8, Math.floor(x) + 1)]];
    const part = x - Math.floor(x);
    const [r, g, b] = low.map((c, k) => Math.round(c + part * (high[k] - c)));
    out[i] = (255 << 24) | (b << 16) | (g << 8) | r;
  }
  return out;
}

/** The hatch of what cannot be seen. */
export function hatch(g: CanvasRenderingContext2D, ink: Ink): CanvasPattern | null {
  const small = document.createElement("canvas");
  small.width = small.height = 8;
  const s = small.getContext("2d");
  if (!s) return null;
  s.strokeStyle = ink.line;
  for (let i = -8; i <= 8; i += 8) {
    s.moveTo(i - 1, 9);
    s.lineTo(i + 9, -1);
  }
  s.stroke();
  return g.createPattern(small, "repeat");
}

/** Calls back with each new width, not when text makes the box higher. */
export function onWidth(box: HTMLElement, call: () => void): void {
  let width = -1;
  new ResizeObserver(() => {
    if (box.clientWidth === width) return;
    width = box.clientWidth;
    call();
  }).observe(box);
}

/** A canvas as large as its box, drawn at most once a frame and only while it is in sight. */
export class Sheet {
  readonly canvas = document.createElement("canvas");
  readonly g: CanvasRenderingContext2D;
  width = 0;
  height = 0;
  private asked = false;
  private stale = false; // something is to be drawn
  private seen = true;
  private ink: Ink | null = null;

  /** `over`: it lies over another one, whose picture stays. */
  constructor(
    private readonly paint: (g: CanvasRenderingContext2D, ink: Ink) => void,
    private readonly over = false,
  ) {
    this.canvas.setAttribute("aria-hidden", "true");
    this.g = this.canvas.getContext("2d") as CanvasRenderingContext2D;
    const fresh = () => {
      this.ink = null;
      this.ask();
    };
    onLook(fresh);
    new IntersectionObserver((entries) => {
      this.seen = entries[entries.length - 1].isIntersecting;
      if (this.seen && this.stale) this.ask();
    }).observe(this.canvas);
  }

  size(width: number, height: number): void {
    this.width = width;
    this.height = height;
    this.ask();
  }

  ask(): void {
    this.stale = true;
    if (!this.asked && this.seen) requestAnimationFrame(() => this.draw());
    this.asked ||= this.seen;
  }

  private draw(): void {
    this.asked = this.stale = false;
    const { canvas, g, width, height } = this;
    const ratio = Math.min(window.devicePixelRatio || 1, 16000 / Math.max(width, height, 1));
    const [w, h] = [Math.round(width * ratio), Math.round(height * ratio)];
    if (canvas.width !== w || canvas.height !== h) {
      canvas.width = w;
      canvas.height = h;
      canvas.style.width = `${width}px`;
      canvas.style.height = `${height}px`;
    }
    this.ink ??= readInk();
    g.setTransform(ratio, 0, 0, ratio, 0, 0);
    g.font = FONT;
    g.textBaseline = "middle";
    g.textAlign = "left";
    g.fillStyle = this.ink.bg;
    if (this.over) g.clearRect(0, 0, width, height);
    else g.fillRect(0, 0, width, height);
    this.paint(g, this.ink);
  }
}
