// SPDX-License-Identifier: Apache-2.0
// The interface's words. An element says data-w="key"; what fills the holes of
// its words lies in children with data-a. So one walk changes the language of
// the whole page, the parts that the report wrote included.

import en from "../words/en.json";
import zh from "../words/zh-CN.json";

export type Key = keyof typeof en;
export type Piece = string | Node;

let words: Record<string, string> = en;

export const has = (key: string): key is Key => key in en;

export function say(key: Key, ...args: string[]): string {
  return words[key].replace(/\{(\d)\}/g, (_, i: string) => args[Number(i)] ?? "");
}

function put(element: Element, key: string, args: Node[]): void {
  const text = words[key];
  if (text === undefined) return;
  element.replaceChildren(
    ...text
      .split(/(\{\d\})/)
      .map((part) => (/^\{\d\}$/.test(part) ? (args[Number(part[1])] ?? "") : part)),
  );
}

/** Makes the element say the words, now and after a change of language. */
export function fill<E extends HTMLElement>(element: E, key: Key, ...args: Piece[]): E {
  element.dataset.w = key;
  const holes = args.map((arg, i) => {
    const hole = document.createElement("span");
    hole.dataset.a = String(i);
    hole.append(arg);
    return hole;
  });
  put(element, key, holes);
  return element;
}

export function speak(language: string): void {
  words = language.toLowerCase().startsWith("zh") ? zh : en;
  document.documentElement.lang = words === zh ? "zh-CN" : "en";
  for (const element of document.querySelectorAll<HTMLElement>("[data-w]")) {
    const holes: Node[] = [];
    for (const child of Array.from(element.children))
      if (child instanceof HTMLElement && child.dataset.a) holes[Number(child.dataset.a)] = child;
    put(element, element.dataset.w ?? "", holes);
  }
  for (const element of document.querySelectorAll<HTMLElement>("[data-label]"))
    element.setAttribute("aria-label", words[element.dataset.label ?? ""] ?? "");
}
