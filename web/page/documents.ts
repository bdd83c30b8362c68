// SPDX-License-Identifier: Apache-2.0
// Documents that the page itself reads: units to link frames by, scores to compare
// two runs, and small answers that it shows without a report.

import { get } from "./api";

export interface Unit {
  text: string;
  start: number;
  end: number;
  fixed?: boolean;
}

export interface Document {
  schema?: string;
  kind?: string;
  input?: { text?: string; units?: Unit[] };
  target?: { text?: string; value?: number | null };
  method?: { name?: string; signed?: boolean };
  rows?: { text: string }[];
  scores?: (number | null)[] | (number | null)[][];
  partial?: boolean;
}

const kept = new Map<number, Promise<Document | null>>();

/** A document does not change: it is asked for once. The last few are kept. */
export function documentOf(job: number): Promise<Document | null> {
  const there = kept.get(job);
  if (there) return there;
  const asked = get<Document>(`/jobs/${job}/document`).catch(() => null);
  kept.set(job, asked);
  if (kept.size > 12) kept.delete(kept.keys().next().value as number);
  return asked;
}

export const unitsOf = async (job: number): Promise<Unit[] | null> =>
  (await documentOf(job))?.input?.units ?? null;

/** A score for each unit; of several rows, their sums. */
export function scoresOf(d: Document): (number | null)[] | null {
  const scores = d.scores;
  if (!scores?.length || !d.input?.units) return null;
  if (!Array.isArray(scores[0])) return scores as (number | null)[];
  const rows = scores as (number | null)[][];
  return rows[0].map((_, u) => rows.reduce<number | null>((sum, row) => (row[u] === null ? sum : (sum ?? 0) + row[u]), null));
}
