// SPDX-License-Identifier: Apache-2.0
// What the server says and how it is asked: REST under /api/v1 of the page's own
// host. An error always has three parts: what failed, why, what to do.

import { say } from "./page-words";

export type Value = string | number | boolean | string[];
export type Values = Record<string, Value>;

export interface Parameter {
  name: string;
  type: "text" | "integer" | "number" | "bool" | "choice" | "list";
  default?: Value | null;
  minimum?: number | null;
  maximum?: number | null;
  choices?: string[] | null;
  help?: string;
  group?: string | null;
  file?: boolean; // under --root, or sent
}

export interface Method {
  name: string;
  summary: string;
  family?: string;
  cost?: string;
  caption?: string;
  parameters?: Parameter[];
}

export interface Command {
  name: string;
  summary: string;
  family?: string;
  input: string[];
  plans?: boolean;
  takes_methods?: boolean;
  takes_influence_methods?: boolean;
  parameters: Parameter[];
}

export interface Tables {
  commands: Command[];
  methods: Method[];
  influence_methods?: Method[];
  metrics?: Method[];
}

export interface Model {
  id: string;
  file: string;
  task: string; // generate, translate, classify, embed, ...
}

export interface Info {
  version: string;
  models: Model[];
  root?: boolean;
  history_limit?: number | null; // results that are kept
}

export interface Turn {
  role: string;
  content: string;
}

export interface Input {
  text?: string;
  chat?: Turn[];
  source?: string;
  file?: string;
}

export interface Request {
  command: string;
  model?: string;
  input?: Input;
  parameters: Values;
}

export interface Fault {
  what: string;
  why: string;
  todo: string;
}

export interface Progress {
  fraction: number | null;
  stage: string;
  left_s: number | null;
}

export interface Job {
  id: number;
  command: string;
  state: "queued" | "running" | "done" | "failed" | "cancelled";
  created?: number | string;
  title?: string;
  line?: string;
  pinned?: boolean;
  model?: string;
  input?: Input;
  parameters?: Values;
  progress?: Progress | null;
  error?: Fault | null;
  document?: boolean;
  seconds?: number | null;
}

export interface Token {
  id?: number;
  text: string;
  start?: number;
  end?: number;
  kind?: string;
  prob?: number | null;
}

export interface Plan {
  text?: string;
  seconds?: number | null;
  bytes?: number | null;
}

export interface Entry {
  name: string;
  path: string;
  kind: "file" | "folder";
  bytes: number;
}

/** An error of the server, or of the way to it. */
export class Refused extends Error {
  constructor(
    public readonly fault: Fault,
    public readonly status: number,
  ) {
    super(fault.what);
  }
}

const ROOT = "/api/v1";

/** What a frame, a link or an event source opens. */
export const address = (path: string): string => ROOT + path;

async function ask(method: string, path: string, body?: unknown): Promise<Response> {
  const raw = body === undefined || body instanceof Blob;
  let answer: Response;
  try {
    answer = await fetch(ROOT + path, {
      method,
      headers: raw ? {} : { "Content-Type": "application/json" },
      body: raw ? body : JSON.stringify(body),
    });
  } catch (cause) {
    throw new Refused({ what: "glim serve", why: String(cause), todo: say("error.away") }, 0);
  }
  if (answer.ok) return answer;
  const said = (await answer.json().catch(() => null)) as { error?: Fault } | null;
  const fault = said?.error ?? { what: `${method} ${path}`, why: answer.statusText, todo: "" };
  throw new Refused(fault, answer.status);
}

export async function get<T>(path: string): Promise<T> {
  return (await (await ask("GET", path)).json()) as T;
}

/** 256 x 256 bytes of a pattern, and what the largest byte stands for. */
export async function tile(path: string): Promise<{ bytes: ArrayBuffer; scale: number }> {
  const answer = await ask("GET", path);
  return { bytes: await answer.arrayBuffer(), scale: Number(answer.headers.get("Glim-Scale")) };
}

export async function send<T>(method: string, path: string, body?: unknown): Promise<T> {
  const answer = await ask(method, path, body);
  const text = await answer.text();
  return (text ? JSON.parse(text) : {}) as T;
}

export const asFault = (error: unknown): Fault =>
  error instanceof Refused ? error.fault : { what: "glim", why: String(error), todo: "" };
