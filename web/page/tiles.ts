// SPDX-License-Identifier: Apache-2.0
// Squares of attention patterns for a report in a frame, which may fetch nothing: it
// asks by messages (web/src/attention-tiles.ts has their words), the page fetches. The
// server makes patterns by running the job's command again, so only what ran here has
// them: a saved document shows what it keeps.

import { asFault, get, tile, type Job } from "./api";

interface Question {
  type: string;
  id?: unknown;
  layer?: unknown;
  head?: unknown;
  level?: unknown;
  row?: unknown;
  column?: unknown;
}

const PLACE = ["layer", "head", "level", "row", "column"] as const;

const hasTiles = (job: number): Promise<boolean> =>
  get<Job>(`/jobs/${job}`)
    .then(({ command }) => command === "attention")
    .catch(() => false);

/** Answers what a frame asks about the patterns of its job; the rest is not for us. */
export async function attend(job: number, asked: Question, frame: Window): Promise<void> {
  if (asked.type === "attention" && (await hasTiles(job)))
    frame.postMessage({ glim: 1, type: "tiles" }, "*");
  if (asked.type !== "ask-tile") return;
  const answer = { glim: 1, type: "tile", id: asked.id };
  const place = PLACE.map((name) => `${name}=${Number(asked[name])}`).join("&");
  try {
    const { bytes, scale } = await tile(`/jobs/${job}/tiles?${place}`);
    frame.postMessage({ ...answer, bytes, scale }, "*", [bytes]);
  } catch (error) {
    const { what, why, todo } = asFault(error);
    frame.postMessage({ ...answer, error: [what, why, todo].filter(Boolean).join(", ") }, "*");
  }
}
