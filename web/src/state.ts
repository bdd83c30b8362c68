// SPDX-License-Identifier: Apache-2.0
// What the reader has chosen; views listen and draw themselves again.

export interface State {
  row: number | null; // null = sums over all rows
  unit: number | null; // under the pointer or the focus
  numbers: boolean;
  threshold: number; // share of the largest score below which nothing is coloured
  find: string;
  wholeScale: boolean;
  language: string;
}

export class Store {
  private listeners: (() => void)[] = [];
  constructor(public readonly state: State) {}

  change(part: Partial<State>): void {
    Object.assign(this.state, part);
    for (const listener of this.listeners) listener();
  }

  listen(listener: () => void): void {
    this.listeners.push(listener);
    listener();
  }
}

export function make<K extends keyof HTMLElementTagNameMap>(
  name: K,
  attributes: Record<string, string> = {},
  text = "",
): HTMLElementTagNameMap[K] {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  if (text) element.textContent = text;
  return element;
}
