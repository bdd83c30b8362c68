// SPDX-License-Identifier: Apache-2.0
// The report is whole without this script; the viewer adds choosing, searching,
// saving and the numbers under the pointer.

import { attachLinks } from "./attention-align";
import { startAttention } from "./attention-view";
import { attachControls } from "./controls";
import { attachDetail } from "./detail";
import { readDocument } from "./document";
import { restoreTheme } from "./keys";
import { attachMatrix } from "./matrix";
import { attachRanks } from "./ranks";
import { attachRows } from "./rows";
import { Store, fromAddress } from "./state";
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

function start(main: HTMLElement): void {
  const m = readDocument();
  if (!m) return;
  const page = document.documentElement.lang;
  const language = page === "en" ? navigator.language : page;
  const store = new Store({
    row: null,
    unit: null,
    kept: null,
    numbers: false,
    white: false,
    threshold: 0,
    find: "",
    own: false,
    clip: false,
    written: false,
    letters: true,
    language,
    ...fromAddress(m),
  });
  restoreTheme();
  store.listen(["language"], () => speak(store.state.language)); // before those who speak
  attachRows(m, store);
  attachStrip(m, store);
  attachRanks(m, store);
  attachControls(m, store);
  attachMatrix(m, store);
  attachDetail(m, store, main);
  speak(language);
  unfoldForPrint();
  window.addEventListener("hashchange", () => store.change(fromAddress(m)));
  document.documentElement.dataset.viewer = "ready";
}

const main = document.getElementById("glim");
attachLinks();
if (main && !startAttention()) start(main);
