// SPDX-License-Identifier: Apache-2.0
// Runs: started, followed by server-sent events, cancelled, named and kept. A run
// that the page makes for itself (what else a word might have been) is taken away
// once it is read, so that the list holds what its reader asked for.

import { Job, Progress, Refused, Request, Token, address, asFault, get, send } from "./api";
import { announce, change, state } from "./page-state";
import { SlotId } from "./rooms";
import { say, seconds } from "./page-words";

export const isOver = (job: Job | undefined): boolean =>
  job?.state === "done" || job?.state === "failed" || job?.state === "cancelled";

function put(id: number, part: Partial<Job>): void {
  const job = { ...(state.jobs[id] ?? { id, command: "", state: "queued" }), ...part } as Job;
  const list = state.list.some((j) => j.id === id)
    ? state.list.map((j) => (j.id === id ? { ...j, ...part } : j))
    : state.list;
  change({ jobs: { ...state.jobs, [id]: job }, list });
}

const following = new Map<number, Promise<Job>>();

const MOST = 3; // event streams at once: a browser has six connections to a host
let streams = 0;

/** Events of a run, until its last. */
function listenTo(id: number): Promise<void> {
  return new Promise((resolve) => {
    const source = new EventSource(address(`/jobs/${id}/events`));
    const read = (event: Event) => JSON.parse((event as MessageEvent<string>).data) as never;
    const end = () => {
      source.close();
      resolve();
    };
    change({ tokens: { ...state.tokens, [id]: [] } });
    source.addEventListener("state", (e) => put(id, read(e)));
    source.addEventListener("progress", (e) => {
      const progress: Progress = read(e);
      tell(id, progress);
      put(id, { progress });
    });
    source.addEventListener("token", (e) => {
      const token: Token = read(e);
      change({ tokens: { ...state.tokens, [id]: [...(state.tokens[id] ?? []), token] } });
    });
    source.addEventListener("done", end);
    source.onerror = () => {
      if (source.readyState === EventSource.CLOSED) end();
    };
  });
}

async function poll(id: number): Promise<void> {
  while (!isOver(state.jobs[id])) {
    await new Promise((later) => setTimeout(later, 1000));
    put(id, await get<Job>(`/jobs/${id}`));
  }
}

async function toTheEnd(id: number): Promise<Job> {
  try {
    if (streams < MOST) {
      streams++;
      await listenTo(id).finally(() => streams--);
    } else await poll(id);
    put(id, await get<Job>(`/jobs/${id}`));
  } catch (error) {
    put(id, { state: "failed", error: asFault(error) });
  }
  return state.jobs[id];
}

/** Follows a run to its end. */
export function follow(id: number): Promise<Job> {
  const now = following.get(id) ?? toTheEnd(id);
  following.set(id, now);
  return now;
}

const told: Record<number, number> = {};

/** A listener hears of every quarter, not of every step. */
function tell(id: number, p: Progress): void {
  const quarter = Math.floor((p.fraction ?? 0) * 4);
  if (quarter <= (told[id] ?? 0)) return;
  told[id] = quarter;
  const left = p.left_s === null ? "" : say("run.left", seconds(p.left_s));
  announce(say("run.percent", quarter * 25, left));
}

/** Asks for a run and shows it in its slot; null: the server would not. */
export async function start(slot: SlotId, request: Request): Promise<number | null> {
  change({ refused: { ...state.refused, [slot]: null } });
  try {
    const { id } = await send<{ id: number }>("POST", "/jobs", request);
    put(id, { ...request, id, state: "queued", title: request.command });
    change({ shown: { ...state.shown, [slot]: id }, tokens: { ...state.tokens, [id]: [] } });
    announce(say("run.started"));
    void reload();
    void follow(id).then((job) => {
      if (job.state === "done") announce(say("run.done"));
      else if (job.state === "failed")
        announce(say("run.failed", job.error ? `${job.error.what}: ${job.error.why}` : ""));
      else announce(say("run.cancelled"));
      void reload();
    });
    return id;
  } catch (error) {
    const fault = asFault(error);
    change({ refused: { ...state.refused, [slot]: fault } });
    announce(`${fault.what}: ${fault.why}`);
    return null;
  }
}

/** A run of the page's own: its document, and then it is taken out of the list. */
export async function quiet<T>(request: Request): Promise<T> {
  const { id } = await send<{ id: number }>("POST", "/jobs", request);
  try {
    const job = await follow(id);
    if (job.state !== "done")
      throw new Refused(job.error ?? { what: request.command, why: job.state, todo: "" }, 0);
    return await get<T>(`/jobs/${id}/document`);
  } finally {
    void send("DELETE", `/jobs/${id}`).catch(() => undefined);
  }
}

export async function cancel(id: number): Promise<void> {
  await send("POST", `/jobs/${id}/cancel`).catch(() => undefined);
}

/** A result by its name: what it is, and its events if it still runs. */
export async function open(id: number): Promise<Job | null> {
  try {
    put(id, await get<Job>(`/jobs/${id}`));
    if (!isOver(state.jobs[id]) || state.jobs[id].command === "generate") void follow(id);
    return state.jobs[id];
  } catch (error) {
    put(id, { state: "failed", command: "", error: asFault(error) });
    return null;
  }
}

const PAGE = 40;

export async function reload(): Promise<void> {
  const search = state.search ? `&search=${encodeURIComponent(state.search)}` : "";
  const { jobs } = await get<{ jobs: Job[] }>(`/jobs?limit=${PAGE}${search}`).catch(() => ({ jobs: [] }));
  change({ list: jobs, more: jobs.length === PAGE });
}

export async function older(): Promise<void> {
  const last = state.list[state.list.length - 1];
  const search = state.search ? `&search=${encodeURIComponent(state.search)}` : "";
  const { jobs } = await get<{ jobs: Job[] }>(`/jobs?limit=${PAGE}&before=${last.id}${search}`);
  change({ list: [...state.list, ...jobs], more: jobs.length === PAGE });
}

export async function alter(id: number, part: { pinned?: boolean; title?: string }): Promise<void> {
  put(id, part);
  await send("PATCH", `/jobs/${id}`, part).catch(() => undefined);
}

export async function remove(id: number): Promise<void> {
  await send("DELETE", `/jobs/${id}`).catch(() => undefined);
  const shown = Object.fromEntries(Object.entries(state.shown).filter(([, job]) => job !== id));
  change({
    shown,
    beside: state.beside === id ? null : state.beside,
    list: state.list.filter((job) => job.id !== id),
  });
  announce(say("results.removed"));
}

/** All results that are over and not pinned. */
export async function removeAll(): Promise<void> {
  const said = await send<{ removed: number }>("DELETE", "/jobs").catch(() => null);
  const stays = (id: number) => Boolean(state.jobs[id]?.pinned) || !isOver(state.jobs[id]);
  change({
    shown: Object.fromEntries(Object.entries(state.shown).filter(([, id]) => stays(id))),
    beside: state.beside !== null && stays(state.beside) ? state.beside : null,
  });
  await reload();
  if (said) announce(say("results.cleared", said.removed));
}

/** A saved document, from a file of the reader's. */
export async function load(file: File): Promise<number> {
  JSON.parse(await file.text()); // a clear error for what is none
  const { id } = await send<{ id: number }>("POST", "/documents", file);
  await open(id);
  void reload();
  return id;
}
