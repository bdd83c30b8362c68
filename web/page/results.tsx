// SPDX-License-Identifier: Apache-2.0
// The list of results: kept by the server, so they are there after a restart. Search,
// open, put beside, pin, rename, delete, run again with other settings; a saved
// document is opened here, or dropped anywhere.

import { useRef, useState } from "preact/hooks";
import { Job, asFault } from "./api";
import { ClearAll } from "./clear";
import { isSaved } from "./figure";
import { alter, load, older, open, reload, remove } from "./jobs";
import { announce, change, state } from "./page-state";
import { say, sayOr, when } from "./page-words";
import { homeOf } from "./rooms";

/** Shows a result where it was made, and its settings in the form. */
export async function visit(id: number): Promise<void> {
  const job = await open(id);
  if (!job) {
    change({ shown: { ...state.shown, words: id }, room: "explain" });
    return;
  }
  const [room, slot] = homeOf(state, job.command, job.parameters);
  const input = job.input;
  const draft = { ...state.draft };
  if (input?.text !== undefined) Object.assign(draft, { kind: "text", text: input.text });
  else if (input?.chat) Object.assign(draft, { kind: "chat", chat: input.chat });
  else if (input?.file) Object.assign(draft, { kind: "file", file: input.file });
  change({
    room,
    draft,
    answer: room === "explain" ? null : state.answer,
    slots: { ...state.slots, [room]: slot },
    shown: { ...state.shown, [slot]: id },
    values: isSaved(job) ? state.values : { ...state.values, [slot]: { ...job.parameters } },
    model: job.model && state.info?.models.some((m) => m.id === job.model) ? job.model : state.model,
  });
}

export async function take(file: File | undefined): Promise<void> {
  if (!file) return;
  try {
    await visit(await load(file));
  } catch (error) {
    const fault = asFault(error);
    const what = error instanceof SyntaxError ? say("results.no-document", file.name) : `${fault.what}: ${fault.why}`;
    announce(what);
    change({ refused: { ...state.refused, results: { ...fault, what, why: "" } } });
  }
}

const MARKS: Record<Job["state"], string> = { queued: "○", running: "◐", done: "●", failed: "✕", cancelled: "◌" };

function Item({ job }: { job: Job }) {
  const [renaming, setRenaming] = useState(false);
  const title = job.title || job.command;
  const rename = (name: string) => {
    setRenaming(false);
    if (name && name !== title) void alter(job.id, { title: name });
  };
  const shown = Object.values(state.shown).includes(job.id);
  return (
    <li class={shown ? "here" : ""}>
      {renaming ? (
        <input
          type="text"
          aria-label={say("results.name")}
          value={title}
          ref={(e) => e?.focus()}
          onBlur={(e) => rename(e.currentTarget.value.trim())}
          onKeyDown={(e) => {
            if (e.key === "Enter") rename(e.currentTarget.value.trim());
            if (e.key === "Escape") setRenaming(false);
          }}
        />
      ) : (
        <button type="button" class="open" onClick={() => void visit(job.id)}>
          <span class={`mark ${job.state}`} title={say(`state.${job.state}`)}>
            <span aria-hidden="true">{MARKS[job.state]}</span>
            <span class="unseen">{say(`state.${job.state}`)}</span>
          </span>
          <span class="title">{title}</span>
          <small>{`${sayOr(`slot.${job.command}`, job.command)} · ${when(job.created)}`}</small>
        </button>
      )}
      <span class="acts">
        <button
          type="button"
          class="icon"
          aria-pressed={Boolean(job.pinned)}
          aria-label={say("results.pin", title)}
          onClick={() => void alter(job.id, { pinned: !job.pinned })}
        >
          {job.pinned ? "★" : "☆"}
        </button>
        <button
          type="button"
          class="icon"
          aria-pressed={state.beside === job.id}
          aria-label={say("results.beside", title)}
          onClick={() => change({ beside: state.beside === job.id ? null : job.id })}
        >
          ◫
        </button>
        <button type="button" class="icon" aria-label={say("results.rename", title)} onClick={() => setRenaming(true)}>
          ✎
        </button>
        <button type="button" class="icon" aria-label={say("results.delete", title)} onClick={() => void remove(job.id)}>
          ✕
        </button>
      </span>
    </li>
  );
}

export function Results() {
  const file = useRef<HTMLInputElement>(null);
  const jobs = [...state.list].sort((a, b) => Number(Boolean(b.pinned)) - Number(Boolean(a.pinned)));
  const refused = state.refused.results;
  return (
    <aside class="results" aria-label={say("results")}>
      <header>
        <h2>{say("results")}</h2>
        <button type="button" class="icon" aria-label={say("close")} onClick={() => change({ drawer: false })}>
          ✕
        </button>
      </header>
      <input
        type="search"
        aria-label={say("results.search")}
        placeholder={say("results.search")}
        value={state.search}
        onInput={(e) => {
          change({ search: e.currentTarget.value });
          void reload();
        }}
      />
      <button type="button" onClick={() => file.current?.click()}>{say("results.load")}</button>
      <input
        ref={file}
        type="file"
        accept=".json,application/json"
        hidden
        onChange={(e) => void take(e.currentTarget.files?.[0])}
      />
      {refused && <p class="fault">{refused.what}</p>}
      {jobs.length === 0 && <p class="help">{say(state.search ? "results.not-found" : "results.none")}</p>}
      <ul>
        {jobs.map((job) => (
          <Item key={job.id} job={job} />
        ))}
      </ul>
      {state.more && <button type="button" onClick={() => void older()}>{say("results.older")}</button>}
      {jobs.length > 0 && <ClearAll />}
    </aside>
  );
}
