// SPDX-License-Identifier: Apache-2.0
// What lies above the points of a map: names of groups, the neighbours of a point as
// lines, rings around what is chosen, the outline of a selection.

import { shorten } from "./document";
import { FONT, Ink } from "./ink";
import { MapView, NEAR } from "./map-view";

export function drawAbove(view: MapView, g: CanvasRenderingContext2D, colours: Ink): void {
  const { unit, point } = view.store.state;
  for (const { x, y, text } of labels(view, g)) word(g, colours, text, x, y, "600 ");
  for (const at of [point, unit]) {
    const i = at === null ? -1 : view.bridge.here(at);
    if (i < 0) continue;
    if (at === (unit ?? point)) lines(view, g, colours, i);
    ring(view, g, colours, i, at === point);
  }
  if (view.outline.length > 1) {
    g.strokeStyle = colours.fg;
    g.setLineDash([4, 3]);
    g.beginPath();
    view.outline.forEach(([x, y]) => g.lineTo(x, y));
    g.closePath();
    g.stroke();
    g.setLineDash([]);
  }
}

/** Names of groups at their medians, the largest first, where there is room. */
function labels(
  view: MapView,
  g: CanvasRenderingContext2D,
): { x: number; y: number; text: string }[] {
  const out: { x: number; y: number; text: string; w: number }[] = [];
  g.font = `600 ${FONT}`;
  for (const group of view.looks.groups) {
    const middle = view.names.get(group.look);
    if (!middle || (view.alone.size && !view.alone.has(group.look))) continue;
    const text = shorten(group.name, 24);
    const [x, y, w] = [
      middle[0] * view.view.k + view.view.x,
      view.view.y - middle[1] * view.view.k,
      g.measureText(text).width / 2 + 4,
    ];
    if (out.every((o) => Math.abs(o.x - x) > o.w + w || Math.abs(o.y - y) > 17))
      out.push({ x, y, text, w });
  }
  return out;
}

function word(
  g: CanvasRenderingContext2D,
  c: Ink,
  text: string,
  x: number,
  y: number,
  weight = "",
): void {
  g.font = weight + FONT;
  g.textAlign = "center";
  g.textBaseline = "middle";
  g.lineJoin = "round";
  g.lineWidth = 4;
  g.strokeStyle = c.bg;
  g.strokeText(text, x, y);
  g.lineWidth = 1;
  g.fillStyle = c.fg;
  g.fillText(text, x, y);
}

function lines(view: MapView, g: CanvasRenderingContext2D, colours: Ink, i: number): void {
  const [x, y] = view.place(i);
  const near = view.neighbours(i);
  g.strokeStyle = colours.fg;
  g.beginPath();
  for (const { point } of near) {
    g.moveTo(x, y);
    g.lineTo(...view.place(point));
  }
  g.stroke();
  near.forEach(({ point, distance }, k) => {
    const [u, v] = view.place(point);
    g.fillStyle = colours.fg;
    g.beginPath();
    g.arc(u, v, 3, 0, 7);
    g.fill();
    const far = Math.hypot(u - x, v - y);
    if (far > 40 && k < NEAR) word(g, colours, distance.toPrecision(3), (x + u) / 2, (y + v) / 2);
  });
}

function ring(
  view: MapView,
  g: CanvasRenderingContext2D,
  colours: Ink,
  i: number,
  chosen: boolean,
): void {
  const [x, y] = view.place(i);
  const r = view.radius() + 3;
  for (const [width, colour] of [
    [5, colours.bg],
    [2, colours.fg],
  ] as const) {
    g.lineWidth = width;
    g.strokeStyle = colour;
    g.beginPath();
    if (chosen) g.rect(x - r, y - r, 2 * r, 2 * r);
    else g.arc(x, y, r, 0, 7);
    g.stroke();
  }
  g.lineWidth = 1;
}
