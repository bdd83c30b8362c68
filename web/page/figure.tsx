// SPDX-License-Identifier: Apache-2.0
// A result has five states, and each is designed: nothing yet, under way, out of
// date, failed, and cut short. Only the first blanks the figure.

import { ComponentChildren } from "preact";
import { useEffect, useState } from "preact/hooks";
import { Fault, Job, Request, address } from "./api";
import { Frame } from "./frames";
import { alter, cancel, isOver, open } from "./jobs";
import { Native, isNative } from "./native";
import { announce, change, state } from "./page-state";
import { say, sayOr, seconds } from "./page-words";
import { rowOf, same } from "./question";

export function Error3({ fault, children }: { fault: Fault; children?: ComponentChildren }) {
  return (
    <div class="failed" role="group" aria-label={say("failed.title")}>
      <p class="what"><span aria-hidden="true">✕ </span>{fault.what || say("failed.title")}</p>
      {fault.why && <p>{fault.why}</p>}
      {fault.todo && <p class="todo"><strong>{say("failed.todo")}</strong> {fault.todo}</p>}
      {children}
    </div>
  );
}

function Under({ job }: { job: Job }) {
  const p = job.progress;
  const fraction = p?.fraction ?? null;
  const line = job.state === "queued" ? say("run.queued") : p?.stage || say("run.running");
  return (
    <div class="under-way">
      <div class="line">
        <strong>{line}</strong>
        <span class="left">
          {fraction === null ? "" : `${Math.round(fraction * 100)} %`}
          {typeof p?.left_s === "number" ? ` · ${say("run.left", seconds(p.left_s))}` : ""}
        </span>
        <button type="button" onClick={() => void cancel(job.id)}>{say("run.cancel")}</button>
      </div>
      <progress aria-label={line} {...(fraction === null ? {} : { value: fraction, max: 1 })} />
      <div class="skeleton" aria-hidden="true"><i /><i /><i /><i /><i /></div>
    </div>
  );
}

/** A document that was loaded: it has no settings of ours. */
export const isSaved = (job: Job): boolean => job.line?.startsWith("glim view") ?? false;

async function copy(text: string): Promise<void> {
  await navigator.clipboard.writeText(text).catch(() => undefined);
  announce(say("copied.page"));
}

const FORMS = [
  ["report", "HTML"],
  ["document", "JSON"],
  ["figure.svg", "SVG"],
  ["figure.png", "PNG"],
  ["figure.pdf", "PDF"],
  ["table.csv", "CSV"],
] as const;

const ENDING: Record<string, string> = { report: "html", document: "json" };

function Save({ job }: { job: Job }) {
  return (
    <details class="menu">
      <summary>{say("save")}</summary>
      <ul>
        {FORMS.map(([path, name]) => (
          <li key={path}>
            <a
              href={address(`/jobs/${job.id}/${path}`)}
              download={`glim-${job.id}.${ENDING[path] ?? path.split(".")[1]}`}
            >
              {name}
            </a>
          </li>
        ))}
      </ul>
    </details>
  );
}

function Tools({ job, again }: { job: Job; again?: () => void }) {
  const [line, setLine] = useState(false);
  return (
    <div class="tools">
      <button
        type="button"
        aria-pressed={state.beside === job.id}
        onClick={() => change({ beside: state.beside === job.id ? null : job.id })}
      >
        {say("tools.beside")}
      </button>
      <button type="button" aria-pressed={Boolean(job.pinned)} onClick={() => void alter(job.id, { pinned: !job.pinned })}>
        {say("tools.pin")}
      </button>
      <Save job={job} />
      <button type="button" onClick={() => void copy(`${location.origin}/#job=${job.id}`)}>{say("tools.link")}</button>
      {job.line && (
        <button type="button" aria-expanded={line} onClick={() => setLine(!line)}>{say("tools.line")}</button>
      )}
      {again && <button type="button" onClick={again}>{say("tools.again")}</button>}
      {line && job.line && (
        <p class="command-line">
          <code>{job.line}</code>
          <button type="button" onClick={() => void copy(job.line ?? "")}>{say("copy.short")}</button>
        </p>
      )}
    </div>
  );
}

export interface FigureProps {
  id: number | undefined;
  request?: Request | null; // what the form now says; without: it is not compared
  again?: () => void; // runs what the form says
  restore?: (job: Job) => void; // puts the form back to what the figure shows
  empty: ComponentChildren;
}

export function Figure({ id, request, again, restore, empty }: FigureProps) {
  const job = id ? state.jobs[id] : undefined;
  useEffect(() => {
    if (id && !state.jobs[id]) void open(id);
  }, [id]);
  if (!id) return <div class="empty">{empty}</div>;
  if (!job) return <div class="under-way"><p role="status">{say("loading")}</p></div>;
  if (!isOver(job)) return <Under job={job} />;
  const gone = job.state === "failed" || !job.document;
  const stale = !gone && request && job.parameters && !isSaved(job) &&
    !same(request, { model: job.model ?? request.model, input: job.input, parameters: job.parameters });
  const title = job.title ?? job.command;
  return (
    <section class={`result${stale ? " stale" : ""}`} aria-label={title}>
      <div class="heading">
        <h3>
          {`${sayOr(`slot.${job.command}`, job.command)} · ${title}`}
          {typeof job.seconds === "number" && <small>{` ${seconds(job.seconds)}`}</small>}
        </h3>
        {!gone && <Tools job={job} again={restore && !stale ? undefined : again} />}
      </div>
      {job.state === "failed" && (
        <Error3 fault={job.error ?? { what: say("failed.title"), why: "", todo: "" }}>
          {job.line && <p class="command-line"><code>{job.line}</code></p>}
          {again && <button type="button" onClick={again}>{say("tools.again")}</button>}
        </Error3>
      )}
      {job.state === "cancelled" && (
        <p class="banner partial">
          <strong>{say("partial.title")}</strong> {job.document ? say("partial.some") : say("partial.none")}
          {again && <button type="button" onClick={again}>{say("tools.again")}</button>}
        </p>
      )}
      {stale && (
        <p class="banner changed">
          <strong>{say("stale.title")}</strong> {say("stale.why")}
          {again && <button type="button" class="main" onClick={again}>{say("stale.run")}</button>}
          {restore && <button type="button" onClick={() => restore(job)}>{say("stale.back")}</button>}
        </p>
      )}
      {!gone &&
        (isNative(job.command) ? (
          <Native job={job} />
        ) : (
          <Frame job={job.id} title={title} row={rowOf(state, job.parameters)} />
        ))}
    </section>
  );
}
