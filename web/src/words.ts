// SPDX-License-Identifier: Apache-2.0
// The interface's words, English and Chinese.

const en = {
  all: "All produced tokens",
  row: "Explain",
  numbers: "Numbers",
  hide: "Hide below",
  find: "Find",
  scale: "Scale",
  scaleRow: "each row",
  scaleAll: "whole matrix",
  copy: "Copy as CSV",
  copied: "Copied",
  share: "of the whole",
  position: "unit",
  error: "standard error",
  produced: "produced",
  given: "probability",
  matrix: "Matrix: produced tokens down, units across. Arrow keys move, Enter chooses a row.",
  nothing: "Point at a unit, or reach it with Tab, to see its numbers.",
  language: "\u4e2d\u6587",
};

const zh: typeof en = {
  all: "\u5168\u90e8\u751f\u6210\u7684\u8bcd\u5143",
  row: "\u89e3\u91ca",
  numbers: "\u663e\u793a\u6570\u5b57",
  hide: "\u9690\u85cf\u4f4e\u4e8e",
  find: "\u67e5\u627e",
  scale: "\u8272\u9636\u8303\u56f4",
  scaleRow: "\u6bcf\u884c",
  scaleAll: "\u6574\u4e2a\u77e9\u9635",
  copy: "\u590d\u5236\u4e3a CSV",
  copied: "\u5df2\u590d\u5236",
  share: "\u5360\u603b\u91cf",
  position: "\u7b2c\u51e0\u4e2a\u5355\u5143",
  error: "\u6807\u51c6\u8bef\u5dee",
  produced: "\u751f\u6210",
  given: "\u6982\u7387",
  matrix: "\u77e9\u9635\uff1a\u884c\u662f\u751f\u6210\u7684\u8bcd\u5143\uff0c\u5217\u662f\u5355\u5143\u3002\u65b9\u5411\u952e\u79fb\u52a8\uff0c\u56de\u8f66\u9009\u4e2d\u4e00\u884c\u3002",
  nothing: "\u6307\u5411\u4e00\u4e2a\u5355\u5143\uff0c\u6216\u7528 Tab \u952e\u79fb\u5230\u5b83\uff0c\u5373\u53ef\u770b\u5230\u6570\u5b57\u3002",
  language: "English",
};

export type Words = typeof en;

export function words(language: string): Words {
  return language.toLowerCase().startsWith("zh") ? zh : en;
}
