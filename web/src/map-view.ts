// SPDX-License-Identifier: Apache-2.0
// One map on its canvas: what is in view, which point is under the pointer, and the
// lines, rings and names above the points. What is chosen lives in the store, so that
// maps beside each other and other figures follow.

import { quadtree, Quadtree } from "d3-quadtree";
import { Ink, ink, onLook } from "./ink";
import { drawAbove } from "./map-above";
import { Colouring, GHOST, Group, Looks, MapData, looksOf, medians } from "./map-data";
import { DENSE, Painter, View } from "./map-paint";
import { Store, make } from "./state";

export const NEAR = 5; // neighbours that are shown
const REACH = 14; // css pixels from the pointer to a point

/** How a map's own numbers of points stand to those of the report. */
export interface Bridge {
  here: (point: number) => number; // -1: not in this map
  there: (i: number) => number;
}

export class MapView {
  readonly box: HTMLElement;
  readonly canvas = make("canvas", { "aria-hidden": "true" });
  readonly view: View = { k: 1, x: 0, y: 0 };
  readonly painter: Painter;
  looks: Looks;
  open: Uint8Array; // looks, but for points that are not looked at: others than searched for
  shown: Uint8Array; // the same, and others than those selected are pale
  frame: number;
  dense = 0; // points in the fullest cell; 0: points are drawn
  outline: [number, number][] = []; // of a rectangle or lasso, in css pixels
  readonly alone = new Set<number>(); // groups that are isolated
  names = new Map<number, [number, number]>();
  private tree: Quadtree<number> | null = null;
  private asked = false;
  private stale = true; // the points, not only what lies above them
  private moved = false; // by the reader: a new size of the box keeps the view

  constructor(
    readonly map: MapData,
    readonly store: Store,
    readonly bridge: Bridge,
  ) {
    this.box = make("div", { class: "map-box", tabindex: "0", role: "application" }, this.canvas);
    this.painter = new Painter(map.n);
    this.frame = map.frames.length - 1;
    this.looks = looksOf(map.colourings[map.first], map.n);
    this.open = this.shown = this.looks.of;
    this.measure();
    onLook(() => this.redraw());
    new ResizeObserver(() => {
      if (!this.moved) this.fit();
      this.redraw();
    }).observe(this.box);
    store.listen(["unit", "point"], () => this.ask());
    store.listen(["points", "find"], () => this.filter());
  }

  get xy(): Float32Array {
    return this.map.frames[this.frame].xy;
  }

  // ---- what is shown ----

  colour(c: Colouring | undefined): void {
    this.looks = looksOf(c, this.map.n);
    this.alone.clear();
    this.measure();
    this.filter();
  }

  /** Shows a group alone, or with those that already are; once more: not. */
  isolate(group: Group): void {
    if (!this.alone.delete(group.look)) this.alone.add(group.look);
    this.filter();
  }

  isAlone = (group: Group): boolean => this.alone.has(group.look);

  stage(frame: number): void {
    this.frame = Math.max(0, Math.min(this.map.frames.length - 1, frame));
    this.tree = null;
    this.measure();
    this.fit();
    this.redraw();
  }

  private measure(): void {
    this.names = medians(this.map.frames[this.frame], this.looks);
  }

  matches(wanted: string): number[] {
    const text = wanted.toLowerCase();
    const out: number[] = [];
    const { texts, ids } = this.map;
    const named = this.map.colourings.filter((c) => c.kind === "category");
    const hit = named.map((c) => c.names.map((name) => name.toLowerCase() === text));
    for (let i = 0; i < this.map.n; i++)
      if (
        texts?.[i].toLowerCase().includes(text) ||
        ids?.[i].toLowerCase() === text ||
        hit.some((h, k) => h[named[k].values[i] ?? -1])
      )
        out.push(i);
    return out;
  }

  /** Points that are not looked at become pale. */
  private filter(): void {
    const { find, points } = this.store.state;
    const only = (looks: Uint8Array, keep: number[] | null) => {
      if (!keep) return looks;
      const out = new Uint8Array(looks.length).fill(GHOST);
      for (const i of keep) if (i >= 0) out[i] = looks[i];
      return out;
    };
    const { of } = this.looks;
    const { alone } = this;
    const groups = alone.size ? of.map((look) => (alone.has(look) ? look : GHOST)) : of;
    this.open = only(groups, find ? this.matches(find) : null);
    this.shown = only(this.open, points.length ? points.map((p) => this.bridge.here(p)) : null);
    this.redraw();
  }

  // ---- places ----

  private get ratio(): number {
    return window.devicePixelRatio || 1;
  }

  /** All points, with equal scales. */
  fit(): void {
    const [width, height] = [this.box.clientWidth, this.box.clientHeight];
    if (!width || !height) return;
    this.moved = false;
    let [x0, x1, y0, y1] = [Infinity, -Infinity, Infinity, -Infinity];
    for (let i = 0; i < this.xy.length; i += 2) {
      const [x, y] = [this.xy[i], this.xy[i + 1]];
      if (x < x0) x0 = x;
      if (x > x1) x1 = x;
      if (y < y0) y0 = y;
      if (y > y1) y1 = y;
    }
    const margin = 18;
    const k = Math.min(
      (width - 2 * margin) / (x1 - x0 || 1),
      (height - 2 * margin) / (y1 - y0 || 1),
    );
    this.view.k = k;
    this.view.x = width / 2 - (k * (x0 + x1)) / 2;
    this.view.y = height / 2 + (k * (y0 + y1)) / 2;
    this.redraw();
  }

  zoom(by: number, x = this.box.clientWidth / 2, y = this.box.clientHeight / 2): void {
    this.moved = true;
    this.view.k *= by;
    this.view.x = x + (this.view.x - x) * by;
    this.view.y = y + (this.view.y - y) * by;
    this.redraw();
  }

  pan(x: number, y: number): void {
    this.moved = true;
    this.view.x += x;
    this.view.y += y;
    this.redraw();
  }

  /** Css pixels. */
  place(i: number): [number, number] {
    return [
      this.xy[2 * i] * this.view.k + this.view.x,
      this.view.y - this.xy[2 * i + 1] * this.view.k,
    ];
  }

  reveal(i: number): void {
    const [x, y] = this.place(i);
    const [w, h] = [this.box.clientWidth, this.box.clientHeight];
    const into = (at: number, size: number) =>
      at < 20 ? 20 - at : at > size - 20 ? size - 20 - at : 0;
    if (into(x, w) || into(y, h)) this.pan(into(x, w), into(y, h));
  }

  // ---- picking ----

  private get points(): Quadtree<number> {
    return (this.tree ??= quadtree<number>(
      Array.from({ length: this.map.n }, (_, i) => i),
      (i) => this.xy[2 * i],
      (i) => this.xy[2 * i + 1],
    ));
  }

  /** The nearest point that is looked at, or -1. */
  at(px: number, py: number): number {
    const [x, y] = [(px - this.view.x) / this.view.k, (this.view.y - py) / this.view.k];
    let [best, reach] = [-1, REACH / this.view.k];
    this.points.visit((node, x0, y0, x1, y1) => {
      if (!node.length) {
        let leaf: typeof node | undefined = node;
        for (; leaf; leaf = leaf.next) {
          const d = Math.hypot(this.xy[2 * leaf.data] - x, this.xy[2 * leaf.data + 1] - y);
          if (d < reach && this.open[leaf.data] !== GHOST) [best, reach] = [leaf.data, d];
        }
      }
      return x0 > x + reach || x1 < x - reach || y0 > y + reach || y1 < y - reach;
    });
    return best;
  }

  /** Points that are looked at inside an outline of css pixels. */
  within(outline: [number, number][]): number[] {
    const out: number[] = [];
    for (let i = 0; i < this.map.n; i++) {
      if (this.open[i] === GHOST) continue;
      const [x, y] = this.place(i);
      let inside = false;
      for (let a = 0, b = outline.length - 1; a < outline.length; b = a++) {
        const [[ax, ay], [bx, by]] = [outline[a], outline[b]];
        if (ay > y !== by > y && x < ((bx - ax) * (y - ay)) / (by - ay) + ax) inside = !inside;
      }
      if (inside) out.push(i);
    }
    return out;
  }

  /** The next point that way: near, and rather ahead than aside. */
  next(from: number, dx: number, dy: number): number {
    if (from < 0) return this.open.findIndex((look) => look !== GHOST);
    let [best, least] = [from, Infinity];
    for (let i = 0; i < this.map.n; i++) {
      if (i === from || this.open[i] === GHOST) continue;
      const [x, y] = [
        this.xy[2 * i] - this.xy[2 * from],
        this.xy[2 * i + 1] - this.xy[2 * from + 1],
      ];
      const ahead = x * dx + y * dy;
      const aside = Math.abs(x * dy - y * dx);
      if (ahead > 0 && aside <= ahead && ahead + 2 * aside < least)
        [best, least] = [i, ahead + 2 * aside];
    }
    return best;
  }

  /** The nearest in the original space, with their distances. */
  neighbours(i: number): { point: number; distance: number }[] {
    const n = this.map.neighbours;
    if (!n) return [];
    return Array.from({ length: Math.min(NEAR, n.k) }, (_, k) => ({
      point: n.of[i * n.k + k],
      distance: n.distances[i * n.k + k],
    })).filter((x) => x.point >= 0 && x.point < this.map.n);
  }

  // ---- drawing ----

  redraw(): void {
    this.stale = true;
    this.ask();
  }

  ask(): void {
    if (!this.asked) requestAnimationFrame(() => this.draw());
    this.asked = true;
  }

  radius(): number {
    return this.map.n <= 2000 ? 4 : this.map.n <= 20_000 ? 3 : 2;
  }

  private draw(): void {
    this.asked = false;
    const start = performance.now();
    const [width, height] = [this.box.clientWidth, this.box.clientHeight];
    if (!width || !height) return;
    const { ratio } = this;
    const colours = ink();
    const g = this.canvas.getContext("2d");
    if (!g) return;
    const [w, h] = [Math.round(width * ratio), Math.round(height * ratio)];
    if (this.canvas.width !== w || this.canvas.height !== h) {
      [this.canvas.width, this.canvas.height] = [w, h];
      Object.assign(this.canvas.style, { width: `${width}px`, height: `${height}px` });
    }
    if (this.stale || this.painter.image.width !== w) this.drawPoints(w, h, ratio, colours);
    this.stale = false;
    g.setTransform(1, 0, 0, 1, 0, 0);
    g.putImageData(this.painter.image, 0, 0);
    g.setTransform(ratio, 0, 0, ratio, 0, 0);
    drawAbove(this, g, colours);
    performance.measure("glim-map", { start, end: performance.now() });
  }

  private drawPoints(w: number, h: number, ratio: number, colours: Ink): void {
    const view = { k: this.view.k * ratio, x: this.view.x * ratio, y: this.view.y * ratio };
    this.painter.prepare(w, h, this.radius() * ratio, colours.step);
    this.painter.clear(colours.bg);
    this.dense = 0;
    if (this.map.n > DENSE && this.inView() > DENSE)
      this.dense = this.painter.density(this.xy, this.shown, view);
    else this.painter.points(this.xy, this.shown, view);
    this.box.dispatchEvent(new Event("glim-drawn"));
  }

  private inView(): number {
    let n = 0;
    const [w, h] = [this.box.clientWidth, this.box.clientHeight];
    for (let i = 0; i < this.map.n; i++) {
      const x = this.xy[2 * i] * this.view.k + this.view.x;
      const y = this.view.y - this.xy[2 * i + 1] * this.view.k;
      if (x >= 0 && y >= 0 && x < w && y < h) n++;
    }
    return n;
  }
}
