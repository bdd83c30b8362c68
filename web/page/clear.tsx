// SPDX-License-Identifier: Apache-2.0
// How many are kept, and all of them removed: asked twice, since it cannot be undone.

import { useState } from "preact/hooks";
import { removeAll } from "./jobs";
import { state } from "./page-state";
import { say } from "./page-words";

export function ClearAll() {
  const [asks, setAsks] = useState(false);
  const limit = state.info?.history_limit;
  if (asks)
    return (
      <div class="clear" role="group" aria-label={say("results.clear")}>
        <p>{say("results.clear-sure")}</p>
        <button type="button" ref={(e) => e?.focus()} onClick={() => setAsks(false)}>{say("results.clear-no")}</button>
        <button
          type="button"
          class="main"
          onClick={() => {
            setAsks(false);
            void removeAll();
          }}
        >
          {say("results.clear-yes")}
        </button>
      </div>
    );
  return (
    <div class="clear">
      <button type="button" onClick={() => setAsks(true)}>{say("results.clear")}</button>
      {limit && <p class="help">{say("results.kept", limit.toLocaleString("en"))}</p>}
    </div>
  );
}
