/** The small signs around the chart: connection light, effective resolution, what happens at its edges. */

import { type Effective, type Light, type State, toldResolution } from "../core/state.js";
import { byId } from "./elements.js";

const light = byId("light", HTMLElement);
const badge = byId("effective", HTMLButtonElement);
const edge = byId("edge", HTMLElement);

export function showLight(shown: Light): void {
  if (light.dataset["look"] === shown.look && light.textContent === shown.text) return;
  light.dataset["look"] = shown.look;
  light.title = shown.detail;
  const text = light.querySelector("span");
  if (text !== null) text.textContent = shown.text;
}

export function showEffective(effective: Effective | null): void {
  const told = effective === null ? null : toldResolution(effective);
  badge.hidden = told?.why == null;
  if (told?.why == null) return;
  badge.textContent = `${told.short}: ${told.why}`;
  badge.title = `${told.short}: ${told.why}. Click for the last days at the length that was asked for.`;
}

export function showEdge({ older, newer }: State): void {
  const text =
    older === "loading" || newer === "loading"
      ? "Loading more bars …"
      : older === "failed" || newer === "failed"
        ? "More bars could not be loaded; they are asked for again."
        : "";
  edge.hidden = text === "";
  edge.textContent = text;
}
