// SPDX-License-Identifier: Apache-2.0
// A picture whose parts have scores: which of them are shown, by rank, size and sign;
// the numbers of one of them; and the picture alone while a key or button is held.

import { Matrix, exact, percent, shorten } from "./document";
import { act, stepOf } from "./keys";
import { around, csv, saveBar } from "./save";
import { Store, make, picture } from "./state";
import { Key, fill, say } from "./words";

interface Part {
  x: number;
  y: number;
  width: number;
  height: number;
}

interface Given {
  input: { units: Part[]; image?: { width: number; height: number; labels?: string | null } };
}

/** How many pixels each part has: of squares by their sides, else by the map of parts. */
async function areas(given: Given): Promise<number[]> {
  const { units, image } = given.input;
  if (!image?.labels) return units.map((u) => u.width * u.height);
  const map = new Image();
  map.src = `data:image/png;base64,${image.labels}`;
  await map.decode();
  const canvas = new OffscreenCanvas(map.width, map.height);
  const g = canvas.getContext("2d");
  g?.drawImage(map, 0, 0);
  const seen = g?.getImageData(0, 0, map.width, map.height).data ?? [];
  const counts = units.map(() => 0);
  for (let i = 0; i < seen.length; i += 4) {
    const part = seen[i] + 256 * seen[i + 1] + 65536 * seen[i + 2];
    if (part < counts.length) counts[part]++;
  }
  return counts;
}

/** "upper left": where the middle of a part is. */
function where(part: Part, image: { width: number; height: number }): string {
  const third = (x: number) => Math.min(2, Math.floor(3 * x));
  const row = third((part.y + part.height / 2) / image.height);
  const column = third((part.x + part.width / 2) / image.width);
  return say(`picture.at-${row}${column}` as Key);
}

export function attachPicture(m: Matrix, report: unknown, store: Store): void {
  const given = report as Given;
  const box = document.querySelector<HTMLElement>("#glim-strip.picture");
  const heat = box?.querySelector<SVGSVGElement>("svg.heat");
  const image = given.input.image;
  if (!box || !heat || !image) return;
  const shapes: SVGElement[] = [];
  for (const shape of heat.querySelectorAll<SVGElement>(".u"))
    shapes[Number(shape.dataset.u)] = shape;
  const scores = picture(m, store.state).scores;
  const limit = picture(m, store.state).limit;
  const ranked = m.scored
    .filter((u) => scores[u] !== null)
    .sort((a, b) => Math.abs(scores[b] ?? 0) - Math.abs(scores[a] ?? 0) || a - b);
  let [most, sign] = [ranked.length, 0];
  let pixels: number[] = [];

  const shown = () => {
    let left = most;
    for (const u of ranked) {
      const x = scores[u] ?? 0;
      const fits = (!sign || Math.sign(x) === sign) && Math.abs(x) >= store.state.threshold * limit;
      shapes[u]?.classList.toggle("faint", !fits || left <= 0);
      if (fits) left--;
    }
  };

  // ---- controls ----

  const bar = make("div", { class: "bar" });
  const slide = (
    key: Key,
    from: number,
    to: number,
    step: number,
    start: number,
    act: (x: number) => string,
  ) => {
    const range = make("input", {
      type: "range",
      min: String(from),
      max: String(to),
      step: String(step),
      value: String(start),
    });
    const value = make("output", {}, act(start));
    range.addEventListener("input", () => (value.textContent = act(Number(range.value))));
    return make("label", {}, fill(make("span"), key), range, value);
  };
  bar.append(
    slide("picture.top", 1, ranked.length, 1, ranked.length, (x) => {
      most = x;
      shown();
      return String(x);
    }),
    slide("hide", 0, 0.95, 0.05, store.state.threshold, (x) => {
      store.change({ threshold: x });
      return `${Math.round(100 * x)}\u00a0%`;
    }),
  );
  if (m.signed) {
    const signs = make("select");
    for (const [value, key] of [
      ["0", "picture.both"],
      ["1", "picture.raising"],
      ["-1", "picture.lowering"],
    ] as const)
      signs.append(fill(make("option", { value }), key));
    signs.addEventListener("change", () => {
      sign = Number(signs.value);
      shown();
    });
    bar.append(make("label", {}, fill(make("span"), "picture.sign"), signs));
  }
  const blink = (on: boolean) => heat.classList.toggle("blink", on);
  const hold = fill(make("button", { type: "button" }), "picture.blink");
  for (const [name, on] of [
    ["pointerdown", true],
    ["pointerup", false],
    ["pointerleave", false],
    ["blur", false],
  ] as const)
    hold.addEventListener(name, () => blink(on));
  hold.addEventListener("keydown", (event) => {
    if (event.key === " " || event.key === "Enter") blink(true);
  });
  hold.addEventListener("keyup", () => blink(false));
  bar.append(hold);

  // ---- numbers of one part ----

  const detail = make("div", { class: "detail", role: "status" });
  const tell = () => {
    const u = store.state.kept ?? store.state.unit;
    shapes.forEach((shape, i) => {
      shape?.classList.toggle("at", i === store.state.unit);
      shape?.classList.toggle("kept", i === store.state.kept);
    });
    if (u === null || !given.input.units[u]) {
      detail.textContent = say("picture.detail");
      return;
    }
    const part = given.input.units[u];
    const score = scores[u];
    const error = m.errors?.[0]?.[u];
    const facts = [
      score === null
        ? "\u00d7"
        : exact(score, m.signed) + (error ? ` \u00b1 ${exact(error, false)}` : ""),
      say("detail.rank", String(ranked.indexOf(u) + 1), String(ranked.length)),
    ];
    if (pixels[u])
      facts.push(say("picture.area", percent(pixels[u] / (image.width * image.height))));
    facts.push(where(part, image));
    const box = [part.x, part.y, part.x + part.width, part.y + part.height];
    facts.push(say("picture.box", ...box.map(String)));
    if (store.state.kept !== null) facts.push(say("detail.pinned"));
    detail.replaceChildren(
      make("b", {}, make("bdi", {}, shorten(m.units[u].text, 24))),
      ` ${facts.join(" \u00b7 ")}`,
    );
  };

  const unitOf = (event: Event): number | null => {
    const shape = (event.target as Element).closest<SVGElement>(".u");
    return shape ? Number(shape.dataset.u) : null;
  };
  heat.addEventListener("pointerover", (event) => store.change({ unit: unitOf(event) }));
  heat.addEventListener("pointerleave", () => store.change({ unit: null }));
  heat.addEventListener("click", (event) => {
    const unit = unitOf(event);
    if (unit !== null) store.change({ kept: store.state.kept === unit ? null : unit });
  });
  const stage = make("div", { class: "stage", tabindex: "0", role: "application" });
  stage.dataset.label = "picture.keys";
  heat.replaceWith(stage);
  stage.append(heat);
  stage.addEventListener("keydown", (event) => {
    const { unit, kept } = store.state;
    const to = event.ctrlKey
      ? null
      : stepOf(event.key, unit === null ? -1 : ranked.indexOf(unit), ranked.length);
    if (to !== null) {
      store.change({ unit: ranked[to] });
      event.preventDefault();
    } else
      act(event, store, {
        Enter: () => store.change({ kept: kept === unit ? null : unit }),
        " ": () => blink(true),
        Escape: () => store.change({ unit: null, kept: null }),
      });
  });
  stage.addEventListener("keyup", () => blink(false));

  document.getElementById("glim-figure")?.append(
    bar,
    detail,
    saveBar({
      name: "",
      title: () => document.querySelector("h1")?.textContent ?? "",
      says: () => document.getElementById("glim-say")?.textContent ?? "",
      parts: () =>
        around(box, document.getElementById("glim-legend"), document.getElementById("glim-say")),
      csv: () => csv(m),
    }),
  );
  store.listen(["unit", "kept", "language"], tell);
  store.listen(["threshold"], shown);
  void areas(given).then((counts) => {
    pixels = counts;
    tell();
    const largest = Math.max(...counts) / (image.width * image.height);
    const note = (key: Key, ...args: string[]) =>
      bar.after(fill(make("p", { class: "note" }), key, ...args));
    if (largest > 0.6) note("picture.covers", percent(largest));
    if (ranked.length < 5) note("picture.few", String(ranked.length));
  });
}
