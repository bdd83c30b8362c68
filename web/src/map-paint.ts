// SPDX-License-Identifier: Apache-2.0
// Points of a map into one buffer of pixels. A mark is drawn once by the canvas and kept
// as a list of pixels with their strength; a point then costs as many sums as its mark
// has pixels. Points are drawn in a fixed random order, so that no group hides another.

import { AMOUNTS, GHOST, LOOKS, MARKS, NONE, OTHER, SIGNED } from "./map-data";

export const DENSE = 200_000; // points above which counts are drawn
export const BINS = 64;
const STRENGTH = 0.7;

/** Circle, triangle, square, diamond, cross, saltire in the square from -1 to 1. */
const SHAPES = [
  "M-.8 0a.8.8 0 1 0 1.6 0a.8.8 0 1 0 -1.6 0Z",
  "M0 -.95L.95 .75H-.95Z",
  "M-.72 -.72h1.44v1.44h-1.44Z",
  "M0 -1L1 0L0 1L-1 0Z",
  "M-.3 -.95h.6v.65h.65v.6h-.65v.65h-.6v-.65h-.65v-.6h.65Z",
  "M-.95 -.55L-.55 -.95L0 -.4L.55 -.95L.95 -.55L.4 0L.95 .55L.55 .95L0 .4L-.55 .95L-.95 .55L-.4 0Z",
];

export const shapeOf = (look: number): string =>
  SHAPES[look < MARKS ? look % 6 : look === NONE ? 5 : 0];
export const hollow = (look: number): boolean => (look >= 6 && look < MARKS) || look === SIGNED + 5;

/** The name of a look's colour in the style sheet. */
export function colourOf(look: number): string {
  if (look < MARKS) return `c${(look % 6) + 1}`;
  if (look === OTHER || look === NONE || look === SIGNED + 5) return "edge";
  if (look === GHOST) return "line";
  return look < SIGNED ? `a${look - AMOUNTS + 1}` : `s${look - SIGNED}`;
}

interface Stamp {
  radius: number;
  x: Int8Array;
  y: Int8Array;
  strength: Uint8Array; // of 256
}

function stamp(look: number, radius: number): Stamp {
  const reach = Math.ceil(radius + 1);
  const side = 2 * reach + 1;
  const canvas = new OffscreenCanvas(side, side);
  const g = canvas.getContext("2d", {
    willReadFrequently: true,
  }) as OffscreenCanvasRenderingContext2D;
  g.translate(reach + 0.5, reach + 0.5);
  g.scale(radius, radius);
  const path = new Path2D(shapeOf(look));
  g.lineWidth = 1.3 / radius;
  if (hollow(look)) g.stroke(path);
  else g.fill(path);
  const seen = g.getImageData(0, 0, side, side).data;
  const places = Array.from({ length: side * side }, (_, i) => i).filter(
    (i) => seen[4 * i + 3] > 8,
  );
  const strength = look === GHOST ? 0.5 : look >= AMOUNTS ? 0.85 : STRENGTH;
  return {
    radius: reach,
    x: Int8Array.from(places, (i) => (i % side) - reach),
    y: Int8Array.from(places, (i) => Math.floor(i / side) - reach),
    strength: Uint8Array.from(places, (i) => Math.round(seen[4 * i + 3] * strength)),
  };
}

export interface View {
  k: number; // pixels of the canvas to a unit of the map
  x: number; // where its origin is
  y: number;
}

/** A colour "#rrggbb" as the canvas has it. */
function packed(colour: string): number {
  const n = parseInt(colour.slice(1), 16);
  const wide =
    colour.length === 4 ? ((n & 0xf00) * 0x1100) | ((n & 0xf0) * 0x110) | ((n & 0xf) * 0x11) : n;
  return (0xff000000 | ((wide & 0xff) << 16) | (wide & 0xff00) | (wide >> 16)) >>> 0;
}

export class Painter {
  private stamps: Stamp[] = [];
  private colours = new Uint32Array(LOOKS);
  private key = "";
  private readonly order: Uint32Array;
  image: ImageData = new ImageData(1, 1);

  constructor(private readonly n: number) {
    this.order = Uint32Array.from({ length: n }, (_, i) => i);
    let seed = 1;
    for (let i = n - 1; i > 0; i--) {
      seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0; // Numerical Recipes' generator
      const j = seed % (i + 1);
      [this.order[i], this.order[j]] = [this.order[j], this.order[i]];
    }
  }

  /** Colours of the page as it is now, and marks of a size. */
  prepare(width: number, height: number, radius: number, step: (name: string) => string): void {
    if (this.image.width !== width || this.image.height !== height)
      this.image = new ImageData(width, height);
    const names = Array.from({ length: LOOKS }, (_, look) => step(colourOf(look)));
    const key = `${radius} ${names.join()}`;
    if (key === this.key) return;
    this.key = key;
    names.forEach((colour, look) => (this.colours[look] = packed(colour)));
    this.stamps = names.map((_, look) => stamp(look, look === GHOST ? radius * 0.7 : radius));
  }

  clear(background: string): void {
    new Uint32Array(this.image.data.buffer).fill(packed(background));
  }

  /** Those that are not looked at below, then the others. */
  points(xy: Float32Array, looks: Uint8Array, view: View): void {
    if (looks.includes(GHOST)) this.layer(xy, looks, view, true);
    this.layer(xy, looks, view, false);
  }

  private layer(xy: Float32Array, looks: Uint8Array, view: View, below: boolean): void {
    const { width, height } = this.image;
    const out = new Uint32Array(this.image.data.buffer);
    const { order, stamps, colours, n } = this;
    for (let at = 0; at < n; at++) {
      const i = order[at];
      const look = looks[i];
      if ((look === GHOST) !== below) continue;
      const s = stamps[look];
      const px = Math.round(xy[2 * i] * view.k + view.x);
      const py = Math.round(view.y - xy[2 * i + 1] * view.k);
      const r = s.radius;
      if (px < -r || py < -r || px >= width + r || py >= height + r) continue;
      const inside = px >= r && py >= r && px < width - r && py < height - r;
      const rb = colours[look] & 0xff00ff;
      const gg = (colours[look] >>> 8) & 0xff;
      for (let j = 0; j < s.x.length; j++) {
        const u = px + s.x[j];
        const v = py + s.y[j];
        if (!inside && (u < 0 || v < 0 || u >= width || v >= height)) continue;
        const a = s.strength[j];
        const under = out[v * width + u];
        const mixed = (Math.imul(rb, a) + Math.imul(under & 0xff00ff, 256 - a)) >>> 8;
        const green = Math.imul(gg, a) + Math.imul((under >>> 8) & 0xff, 256 - a);
        out[v * width + u] = 0xff000000 | (mixed & 0xff00ff) | (green & 0xff00);
      }
    }
  }

  /** How many points lie in each of 64 x 64 cells of the view, as amounts of their logarithm. */
  density(xy: Float32Array, looks: Uint8Array, view: View): number {
    const { width, height } = this.image;
    const counts = new Uint32Array(BINS * BINS);
    let most = 0;
    for (let i = 0; i < this.n; i++) {
      const u = Math.floor(((xy[2 * i] * view.k + view.x) / width) * BINS);
      const v = Math.floor(((view.y - xy[2 * i + 1] * view.k) / height) * BINS);
      if (u < 0 || v < 0 || u >= BINS || v >= BINS || looks[i] === GHOST) continue;
      most = Math.max(most, ++counts[v * BINS + u]);
    }
    const out = new Uint32Array(this.image.data.buffer);
    for (let y = 0; y < height; y++)
      for (let x = 0; x < width; x++) {
        const c = counts[Math.floor((y / height) * BINS) * BINS + Math.floor((x / width) * BINS)];
        if (c) out[y * width + x] = this.colours[AMOUNTS + densityStep(c, most) - 1];
      }
    return most;
  }
}

export const densityStep = (count: number, most: number): number =>
  Math.max(1, Math.ceil((8 * Math.log1p(count)) / Math.log1p(Math.max(1, most))));
