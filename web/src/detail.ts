// SPDX-License-Identifier: Apache-2.0
// One line at the bottom: the numbers of the unit under the pointer or the focus.

import { Matrix, format, totals, visible } from "./document";
import { Store, make } from "./state";
import { words } from "./words";

export function attachDetail(m: Matrix, store: Store, main: HTMLElement): void {
  const line = make("div", { id: "glim-detail", role: "status", "aria-live": "polite" });
  const sums = totals(m);
  main.insertBefore(line, main.querySelector("footer"));

  store.listen(() => {
    const { unit, row, language } = store.state;
    const w = words(language);
    if (unit === null) {
      line.textContent = w.nothing;
      return;
    }
    const scores = row === null ? sums : m.scores[row];
    const score = scores[unit];
    const whole = scores.reduce<number>((sum, x) => sum + Math.abs(x ?? 0), 0);
    const parts = [`\u201c${visible(m.units[unit].text)}\u201d`, `${format(score)} ${m.output}`];
    if (score !== null && whole > 0) parts.push(`${((100 * Math.abs(score)) / whole).toFixed(1)} % ${w.share}`);
    if (m.error?.[unit] != null) parts.push(`${w.error} ${format(m.error[unit]).slice(1)}`);
    parts.push(`${w.position} ${unit + 1} / ${m.units.length}`);
    line.textContent = parts.join(" \u00b7 ");
  });
}
