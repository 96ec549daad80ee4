/** Small pieces that the parts of the page are made of. */

import { rangeText, type Tone } from "../core/operator.js";
import type { Days } from "../core/operations.js";
import { make } from "../page/elements.js";

/** Ranges of days that are listed; the rest is counted. */
const LISTED = 6;

export function chip(text: string, tone: Tone, title = ""): HTMLElement {
  const made = make("span", text, { class: "chip", "data-tone": tone });
  if (title !== "") made.title = title;
  return made;
}

/** A cell that a narrow screen shows with its column's name. */
export function cell(label: string, ...content: readonly (Node | string)[]): HTMLTableCellElement {
  const made = make("td", "", { "data-label": label });
  made.append(...content);
  return made;
}

export function lines(ranges: readonly Days[], what = ""): readonly HTMLElement[] {
  const shown = ranges.slice(0, LISTED).map((days) => {
    const line = make("li");
    line.append(make("b", rangeText(days)), ` ${what}${what === "" ? "" : ": "}${days.reason}`);
    return line;
  });
  return ranges.length > LISTED ? [...shown, make("li", `and ${ranges.length - LISTED} more ranges of days`)] : shown;
}

export function button(text: string, title: string, what: () => void): HTMLButtonElement {
  const made = make("button", text, { type: "button", title });
  made.addEventListener("click", what);
  return made;
}

export function outwards(text: string, href: string): HTMLAnchorElement {
  return make("a", `${text} ↗`, { href, target: "_blank", rel: "noopener" });
}

/** A text whose commands, between backticks, look like commands. */
export function prose(text: string): readonly (Node | string)[] {
  return text.split("`").map((part, at) => (at % 2 === 1 ? make("code", part) : part));
}

const SVG = "http://www.w3.org/2000/svg";

export function drawn(
  tag: "svg" | "rect" | "title",
  attributes: Readonly<Record<string, string | number>>,
  text = "",
): SVGElement {
  const made = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, String(value));
  made.textContent = text;
  return made;
}
