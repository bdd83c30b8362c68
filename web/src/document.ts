// SPDX-License-Identifier: Apache-2.0
// The document in the page, as docs/schema/glim.explanation-1.schema.json has it,
// and how its numbers and texts look: the rules of src/view/html-text.c.

export type Score = number | null;

export interface Unit {
  text: string;
  start: number;
  end: number;
  fixed: boolean;
  generated: boolean;
  tokens: number;
  turn: number | null;
}

export interface Row {
  text: string;
  start: number;
  end: number;
  value: Score;
  prob: Score;
}

/** The scores of words, sentences or turns: of larger units than the document's own. */
export interface Level {
  unit: string;
  units: { text: string; start: number; end: number }[];
  scores: Score[][];
  error: Score[][] | null;
}

interface Explanation {
  input: { units: Unit[]; unit: string | null };
  target: { kind: string; output: string; text: string; value: Score };
  method: { signed: boolean };
  rows?: Row[];
  scores: Score[] | Score[][];
  error: Score[] | Score[][] | null;
  levels?: (Omit<Level, "scores" | "error"> & Pick<Explanation, "scores" | "error">)[];
}

/** A score for each row and unit; null where there is none. */
export interface Matrix {
  unit: string; // what a unit is: token, word, sentence, turn
  mixed: boolean; // what the model wrote is in tokens, the prompt is not
  units: Unit[];
  rows: Row[];
  many: boolean; // a row for each explained token
  classes: boolean; // rows are classes, not what the model wrote
  scores: Score[][];
  errors: Score[][] | null;
  levels: Level[];
  sums: Score[]; // over the rows: what is shown while no row is chosen
  scored: number[]; // units that are not fixed
  signed: boolean;
}

function addUp(units: Unit[], scores: Score[][], sizes: boolean): Score[] {
  const of = (x: number) => (sizes ? Math.abs(x) : x);
  return units.map((_, u) =>
    scores.reduce<Score>(
      (sum, row) => (row[u] === null ? sum : (sum ?? 0) + of(row[u] as number)),
      null,
    ),
  );
}

/** The document's text, byte for byte as --json wrote it. */
export function source(): string {
  const text = document.getElementById("glim-data")?.textContent ?? "";
  return text.replace(/\\(?:u(003c|003e|0026|2028|2029)|[^])/g, (all: string, code?: string) =>
    code ? String.fromCharCode(parseInt(code, 16)) : all,
  );
}

/** What is in the page, of whatever schema. */
export function readReport(): Record<string, unknown> {
  const text = document.getElementById("glim-data")?.textContent;
  return text ? (JSON.parse(text) as Record<string, unknown>) : {};
}

export function readMatrix(report: unknown): Matrix | null {
  const d = report as Partial<Explanation>;
  return d.input && d.scores ? matrixOf(d as Explanation) : null;
}

function matrixOf(d: Explanation): Matrix {
  const many = d.rows !== undefined;
  const scores = (many ? d.scores : [d.scores]) as Score[][];
  return {
    unit: d.input.unit ?? "token",
    mixed: /sentence|turn/.test(d.input.unit ?? "") && d.input.units.some((u) => u.generated),
    units: d.input.units,
    rows: d.rows ?? [{ text: d.target.text, start: 0, end: 0, value: null, prob: null }],
    many,
    classes: many && d.target.kind === "class",
    scores,
    errors: (d.error && !many ? [d.error] : d.error) as Score[][] | null,
    levels: (d.levels ?? []).map((level) => ({
      ...level,
      scores: (many ? level.scores : [level.scores]) as Score[][],
      error: (level.error && !many ? [level.error] : level.error) as Score[][] | null,
    })),
    sums: addUp(d.input.units, scores, many && d.target.value === null),
    scored: d.input.units.map((_, u) => u).filter((u) => !d.input.units[u].fixed),
    signed: d.method.signed,
  };
}

/** Whether the 95 % interval covers zero. */
export function uncertain(score: Score, error: Score | undefined): boolean {
  return (
    score !== null &&
    error !== null &&
    error !== undefined &&
    error > 0 &&
    Math.abs(score) < 1.96 * error
  );
}

/** The class of a score's colour: s0 .. s10 signed, a0 .. a8 amounts. */
export function shade(score: number, limit: number, signed: boolean): string {
  if (!signed) return `a${limit > 0 ? Math.min(8, Math.round((8 * Math.abs(score)) / limit)) : 0}`;
  const step =
    limit > 0 ? Math.sign(score) * Math.min(5, Math.round((Math.abs(score) / limit) * 5)) : 0;
  return `s${step + 5}`;
}

export function format(x: Score | undefined, scale: number, signed: boolean): string {
  if (x === null || x === undefined) return "\u00d7";
  const size = Math.abs(x);
  if (size === 0) return "0";
  const [digits, power] = size.toExponential(2).split("e");
  const p = Number(power);
  const sign = x < 0 ? "\u2212" : signed ? "+" : "";
  if (p < -3 && scale >= 0.1) return `${sign}<0.001`;
  if (p < -3 || p > 5) return `${sign}${digits}e${p < 0 ? "\u2212" : ""}${Math.abs(p)}`;
  return sign + size.toFixed(Math.max(0, 2 - p));
}

/** Five digits, for the detail. */
export function exact(x: number, signed: boolean): string {
  const text = String(Number(Math.abs(x).toPrecision(5)))
    .replace("e-", "e\u2212")
    .replace("e+", "e");
  return (x < 0 ? "\u2212" : signed && x !== 0 ? "+" : "") + text;
}

export const percent = (share: number): string => `${(100 * share).toFixed(1)}\u00a0%`;

// ---- text ----

const segmenter = typeof Intl.Segmenter === "function" ? new Intl.Segmenter() : null;

function graphemes(text: string): string[] {
  return segmenter ? Array.from(segmenter.segment(text), (s) => s.segment) : Array.from(text);
}

const NAMES: Record<string, string> = {
  "\n": "\u21b5",
  "\t": "\u2192",
  "\u00a0": "\u2423",
  "\u200b": "\u2039ZWSP\u203a",
  "\u200c": "\u2039ZWNJ\u203a",
  "\u200d": "\u2039ZWJ\u203a",
  "\u2060": "\u2039WJ\u203a",
};

function mark(grapheme: string): string {
  if (NAMES[grapheme]) return NAMES[grapheme];
  if (grapheme === "\r\n") return "\\x0d\u21b5";
  if (/^[\u0000-\u001f\u007f]/.test(grapheme))
    return `\\x${grapheme.charCodeAt(0).toString(16).padStart(2, "0")}`;
  if (/^[\u0080-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]/.test(grapheme))
    return `\u2039U+${grapheme.charCodeAt(0).toString(16).toUpperCase().padStart(4, "0")}\u203a`;
  return grapheme;
}

const spaces = (run: string) => (run.length > 1 ? `\u00b7\u00d7${run.length}` : "\u00b7");

/** White space at the ends and what has no glyph as marks. */
export function visible(text: string): string {
  if (!text) return "\u2205";
  return graphemes(text.replace(/^ +| {2,}| +$/g, (run) => "\ue000".repeat(run.length)))
    .join("")
    .split(/(\ue000+)/)
    .map((part) => (part.startsWith("\ue000") ? spaces(part) : graphemes(part).map(mark).join("")))
    .join("");
}

const WIDE =
  /\p{Script=Han}|\p{Script=Hiragana}|\p{Script=Katakana}|\p{Script=Hangul}|\p{Extended_Pictographic}|[\u3000-\u303f\uff01-\uff60]/u;

/** At most `most` columns, cut in the middle at whole characters. */
export function shorten(text: string, most: number): string {
  const all = graphemes(visible(text));
  const widths = all.map((g) => (WIDE.test(g) ? 2 : 1));
  const width = widths.reduce((a, b) => a + b, 0);
  if (width <= most) return all.join("");
  let used = 0;
  let cut = false;
  let out = "";
  all.forEach((g, i) => {
    used += widths[i];
    if (used <= most - Math.floor(most / 2) || used > width - Math.floor(most / 2) + 1) out += g;
    else if (!cut) {
      out += "\u2026";
      cut = true;
    }
  });
  return out;
}
