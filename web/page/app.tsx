// SPDX-License-Identifier: Apache-2.0
// The page's frame: its rooms, the model, results, language and theme.

import { useEffect, useState } from "preact/hooks";
import { Advise } from "./advise";
import { answer } from "./answer";
import { Beside, Differences } from "./beside";
import { CommandRoom } from "./command";
import { Explain, runSlot } from "./explain";
import { Error3 } from "./figure";
import { colour } from "./frames";
import { ModelRoom } from "./model";
import { change, keep, listen, state, writeAddress } from "./page-state";
import { chinese, say, speak } from "./page-words";
import { picked } from "./question";
import { Results, take } from "./results";
import { ROOMS, RoomId, current } from "./rooms";

export function enter(room: RoomId): void {
  change({ room });
}

function Header() {
  const { info } = state;
  const dark = state.theme === "dark" || (!state.theme && matchMedia("(prefers-color-scheme:dark)").matches);
  const theme = dark ? "light" : "dark";
  return (
    <header class="top">
      <h1>glim</h1>
      <nav aria-label={say("rooms")}>
        {ROOMS.map((room) => (
          <a
            key={room}
            href={`#room=${room}`}
            aria-current={room === state.room ? "page" : undefined}
            onClick={(event) => {
              event.preventDefault();
              enter(room);
            }}
          >
            {say(`room.${room}`)}
          </a>
        ))}
      </nav>
      <div class="all">
        <label>
          <span class="unseen">{say("model")}</span>
          <select value={state.model} onChange={(e) => change({ model: e.currentTarget.value, answer: null })}>
            {info?.models.map((m) => (
              <option key={m.id} value={m.id}>{m.file}</option>
            ))}
            {info?.models.length === 0 && <option value="">{say("model.none")}</option>}
          </select>
        </label>
        <button type="button" aria-expanded={state.drawer} onClick={() => change({ drawer: !state.drawer })}>
          {say("results")}
          {state.list.length > 0 && <small>{state.more ? `${state.list.length}+` : state.list.length}</small>}
        </button>
        <button
          type="button"
          lang={chinese() ? "en" : "zh-CN"}
          onClick={() => {
            const language = chinese() ? "en" : "zh-CN";
            keep("language", language);
            speak(language);
            change({ language });
          }}
        >
          {chinese() ? "English" : "中文"}
        </button>
        <button
          type="button"
          class="icon"
          aria-label={say(`theme.${theme}`)}
          onClick={() => {
            keep("theme", theme);
            document.documentElement.dataset.theme = theme;
            colour(theme);
            change({ theme });
          }}
        >
          ◐
        </button>
      </div>
    </header>
  );
}

function Room() {
  if (state.room === "explain") return <Explain />;
  if (state.room === "advise") return <Advise />;
  if (state.room === "model") return <ModelRoom />;
  return <CommandRoom key={state.room} />;
}

/** Ctrl-Enter does what the room's main button does. */
function keys(event: KeyboardEvent): void {
  if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey)) return;
  event.preventDefault();
  const inSettings = event.target instanceof Element && event.target.closest(".settings");
  if (state.room === "explain" && !inSettings && !picked(state)) void answer();
  else if (state.room === "explain" && !inSettings && event.target instanceof HTMLTextAreaElement) void answer();
  else void runSlot(current());
}

export function App() {
  const [, draw] = useState(0);
  useEffect(() => listen(() => draw((n) => n + 1)), []);
  useEffect(() => {
    document.addEventListener("keydown", keys);
    return () => document.removeEventListener("keydown", keys);
  }, []);
  const slot = state.room === "advise" ? null : (current()?.id ?? null);
  useEffect(() => {
    if (state.tables) writeAddress(slot);
    document.title = `glim · ${say(`room.${state.room}`)}`;
  });
  if (state.fault)
    return (
      <main class="alone">
        <h1>glim</h1>
        <Error3 fault={state.fault}>
          <button type="button" onClick={() => location.reload()}>{say("try-again")}</button>
        </Error3>
      </main>
    );
  if (!state.tables) return <main class="alone"><h1>glim</h1><p>{say("loading")}</p></main>;
  const beside = state.beside && state.beside !== state.shown[slot ?? ""] ? state.beside : null;
  return (
    <div
      class={`page${state.drawer ? " with-results" : ""}${beside ? " with-beside" : ""}`}
      onDragOver={(e) => e.preventDefault()}
      onDrop={(e) => {
        e.preventDefault();
        void take(e.dataTransfer?.files[0]);
      }}
    >
      <a class="skip" href="#main" onClick={(e) => { e.preventDefault(); document.getElementById("main")?.focus(); }}>
        {say("skip")}
      </a>
      <Header />
      <main id="main" tabIndex={-1}>
        <h2 class="unseen">{say(`room.${state.room}`)}</h2>
        <Room />
        {beside && <Beside id={beside} />}
        {beside && <Differences a={state.shown[slot ?? ""]} b={beside} />}
      </main>
      {state.drawer && <Results />}
      <p class="unseen" role="status">{state.said}</p>
    </div>
  );
}
