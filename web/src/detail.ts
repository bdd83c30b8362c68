// SPDX-License-Identifier: Apache-2.0
// One line at the bottom: the numbers of the unit under the pointer or the
// cursor, or of the one that is kept. Numbers are the document's own.

import { Matrix, exact, percent, visible } from "./document";
import { Store, make, picture } from "./state";
import { later } from "./strip";
import { say } from "./words";

export function attachDetail(m: Matrix, store: Store, main: HTMLElement): void {
  const line = make("div", {
    id: "glim-detail",
    class: "detail",
    role: "status",
    "data-label": "detail",
  });
  main.querySelector(".figure > .bar")?.before(line);

  store.listen(["row", "unit", "kept", "language"], () => {
    const { row, kept } = store.state;
    const u = kept ?? store.state.unit;
    if (u === null) {
      line.textContent = say("detail.none");
      return;
    }
    const unit = m.units[u];
    const { scores, errors, counts } = picture(m, store.state);
    const score = scores[u];
    const sizes = m.scored
      .filter(counts)
      .map((v) => Math.abs(scores[v] ?? NaN))
      .filter((x) => !Number.isNaN(x));
    const whole = sizes.reduce((a, b) => a + b, 0);
    const parts: string[] = [];
    if (score === null)
      parts.push(unit.fixed ? "\u2013" : later(m, row, u) ? say("detail.none-here") : "\u00d7");
    else {
      const error = errors?.[u];
      parts.push(exact(score, m.signed) + (error ? ` \u00b1 ${exact(error, false)}` : ""));
      if (counts(u)) {
        const rank = 1 + sizes.filter((x) => x > Math.abs(score)).length;
        parts.push(say("detail.rank", String(rank), String(sizes.length)));
        if (whole > 0) parts.push(say("detail.share", percent(Math.abs(score) / whole)));
      }
    }
    if (unit.fixed) parts.push(say("detail.fixed"));
    if (unit.end > unit.start)
      parts.push(say("detail.bytes", String(unit.start), String(unit.end)));
    if (unit.tokens > 1) parts.push(say("detail.tokens", String(unit.tokens)));
    if (row !== null) parts.push(say("detail.for", `\u201c${visible(m.rows[row].text)}\u201d`));
    if (kept !== null) parts.push(say("detail.pinned"));
    line.replaceChildren(
      make("b", {}, make("bdi", {}, visible(unit.text))),
      ` ${parts.join(" \u00b7 ")}`,
    );
  });
}
