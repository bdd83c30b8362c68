// SPDX-License-Identifier: Apache-2.0
// The report is whole without this script; the viewer adds choosing, searching,
// saving and the numbers under the pointer.

import { attachTables } from "./compare";
import { attachControls } from "./controls";
import { attachDetail } from "./detail";
import { Matrix, readMatrix, readReport } from "./document";
import { attachEmbed } from "./embed";
import { attachPageBar, restoreTheme } from "./keys";
import { attachInfluence } from "./influence";
import { attachMap } from "./map";
import { attachMatrix } from "./matrix";
import { attachPanels } from "./panels";
import { attachPicture } from "./picture-view";
import { attachRanks } from "./ranks";
import { attachClasses, attachRows } from "./rows";
import { START, Store, fromAddress } from "./state";
import { attachStrip } from "./strip";
import { speak } from "./words";

/** A printed page has no folds. */
function unfoldForPrint(): void {
  const closed: HTMLDetailsElement[] = [];
  window.addEventListener("beforeprint", () => {
    for (const details of document.querySelectorAll("details"))
      if (!details.open) {
        details.open = true;
        closed.push(details);
      }
  });
  window.addEventListener("afterprint", () => {
    for (const details of closed.splice(0)) details.open = false;
  });
}

/** Scores of the units of a text. */
function attachScores(m: Matrix, store: Store, main: HTMLElement): void {
  attachRows(m, store);
  attachClasses(m, store);
  attachStrip(m, store);
  attachRanks(m, store);
  attachControls(m, store);
  attachMatrix(m, store);
  attachDetail(m, store, main);
}

function start(main: HTMLElement): void {
  const report = readReport();
  const m = document.getElementById("glim-strip") ? readMatrix(report) : null;
  const page = document.documentElement.lang;
  const language = page === "en" ? navigator.language : page;
  const store = new Store({ ...START, language, ...fromAddress(m) });
  restoreTheme();
  store.listen(["language"], () => speak(store.state.language)); // before those who speak
  attachPageBar(store);
  if (m && document.querySelector("#glim-strip.picture")) {
    attachRanks(m, store);
    attachPicture(m, report, store);
  } else if (m) attachScores(m, store, main);
  attachPanels(report, main, store);
  attachMap(report, store);
  attachInfluence(report, main, store);
  attachTables(report, main, store);
  attachEmbed(store, m?.units.length, m?.rows.length);
  speak(language);
  unfoldForPrint();
  window.addEventListener("hashchange", () => store.change(fromAddress(m)));
  document.documentElement.dataset.viewer = "ready";
}

const main = document.getElementById("glim");
if (main) start(main);
