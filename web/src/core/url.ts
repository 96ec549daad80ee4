/**
 * The page's address: what is shown, so that a copied address shows the same.
 *
 * What belongs here: view to query string and back. What does not: the browser's history.
 */

import { isPreset, LATEST, pickedDays, type Range } from "./ranges.js";
import { isResolution, type Resolution } from "./resolutions.js";

/** What is to be shown; an empty symbol stands for the first there is. */
export interface View {
  readonly symbol: string;
  readonly resolution: Resolution;
  readonly range: Range;
}

export const START: View = { symbol: "", resolution: "5m", range: LATEST };

export function viewOf(query: string): View {
  const given = new URLSearchParams(query);
  const resolution = given.get("resolution") ?? "";
  return {
    symbol: (given.get("symbol") ?? "").slice(0, 100),
    resolution: isResolution(resolution) ? resolution : START.resolution,
    range: rangeOf(given),
  };
}

export function queryOf(view: View): string {
  const query = new URLSearchParams({ symbol: view.symbol, resolution: view.resolution });
  if (view.range.kind === "preset") query.set("range", view.range.preset);
  if (view.range.kind === "days") {
    query.set("from", view.range.from);
    query.set("to", view.range.to);
  }
  return `?${query.toString()}`;
}

export function sameView(a: View, b: View): boolean {
  return queryOf(a) === queryOf(b);
}

function rangeOf(given: URLSearchParams): Range {
  const preset = given.get("range") ?? "";
  if (isPreset(preset)) return { kind: "preset", preset };
  const picked = pickedDays(given.get("from") ?? "", given.get("to") ?? "");
  return typeof picked === "string" ? LATEST : picked;
}
