// SPDX-License-Identifier: Apache-2.0
// The report is whole without this script; the viewer adds choosing, searching
// and the numbers under the pointer.

import { attachControls } from "./controls";
import { attachDetail } from "./detail";
import { readDocument } from "./document";
import { attachMatrix } from "./matrix";
import { Store } from "./state";
import { attachStrip } from "./strip";
import { attachTable } from "./table";

const found = readDocument();
const main = document.getElementById("glim");
if (found && main) {
  const page = document.documentElement.lang;
  const store = new Store({
    row: null,
    unit: null,
    numbers: false,
    threshold: 0,
    find: "",
    wholeScale: false,
    language: page === "en" ? navigator.language : page,
  });
  attachControls(found, store, main);
  attachStrip(found, store);
  attachMatrix(found, store, main);
  attachTable(found, store);
  attachDetail(found, store, main);
  document.documentElement.dataset.viewer = "ready";
}
