// SPDX-License-Identifier: Apache-2.0
// The page of glim serve begins here: what the server has, what a link names, and
// what was done before.

import { render } from "preact";
import { App } from "./app";
import { Info, Tables, asFault, get } from "./api";
import { open, reload } from "./jobs";
import { change, state } from "./page-state";
import { speak } from "./page-words";
import { visit } from "./results";
import { ROOMS, RoomId } from "./rooms";

async function fromAddress(hash: URLSearchParams): Promise<void> {
  const room = hash.get("room") as RoomId | null;
  if (room && ROOMS.includes(room)) change({ room });
  const job = Number(hash.get("job"));
  if (job) await visit(job);
  const beside = Number(hash.get("beside"));
  if (beside && (await open(beside))) change({ beside });
}

const address = (): URLSearchParams => new URLSearchParams(location.hash.slice(1));

async function begin(): Promise<void> {
  const linked = address(); // before the page writes its own
  try {
    const [info, tables] = await Promise.all([get<Info>("/info"), get<Tables>("/commands")]);
    change({ info, tables, model: info.models[0]?.id ?? "" });
  } catch (error) {
    change({ fault: asFault(error) });
    return;
  }
  await Promise.all([fromAddress(linked), reload()]);
  document.documentElement.dataset.page = "ready";
}

speak(state.language);
if (state.theme) document.documentElement.dataset.theme = state.theme;
const root = document.getElementById("app");
if (root) render(<App />, root);
window.addEventListener("hashchange", () => void fromAddress(address()));
void begin();
