/**
 * The service's answers and the addresses that ask for them.
 *
 * What belongs here: `/api/v1` as this page uses it, pure. What does not: sending requests (`net/http`).
 */

import type { Bar } from "./bars.js";
import { flagOf, type Json, listOf, numberOf, numbersOf, objectOf, ShapeError, textOf, textOrNull } from "./json.js";
import { isResolution, type Resolution } from "./resolutions.js";

export interface SymbolInfo {
  readonly symbol: string;
  readonly assetClass: string;
  readonly calendar: string;
  readonly timeZone: string;
  readonly tickSize: number;
  readonly lotSize: number;
}

export interface SymbolList {
  readonly dataset: string;
  readonly firstDay: string;
  readonly lastDay: string;
  readonly symbols: readonly SymbolInfo[];
  /** Of the closed days: under it their bars are kept by the browser and need not be asked for again. */
  readonly version: string;
}

/** Bars ascending, and how they came about. */
export interface BarsAnswer {
  readonly requested: Resolution;
  readonly resolution: Resolution;
  readonly adapted: boolean;
  readonly reason: string | null;
  readonly fallback: string | null;
  readonly truncated: boolean;
  readonly nextCursor: string | null;
  readonly bars: readonly Bar[];
}

export interface BarsQuestion {
  readonly symbol: string;
  readonly resolution: Resolution;
  /** Milliseconds, included. */
  readonly start?: number;
  /** Milliseconds, excluded. */
  readonly end?: number;
  readonly limit: number;
  readonly order: "asc" | "desc";
  readonly adaptive: boolean;
  readonly cursor?: string;
  readonly version?: string;
}

export function barsQuery(question: BarsQuestion): string {
  const query = new URLSearchParams({
    symbol: question.symbol,
    resolution: question.resolution,
    limit: String(question.limit),
    order: question.order,
    adaptive: String(question.adaptive),
  });
  if (question.start !== undefined) query.set("start", String(question.start));
  if (question.end !== undefined) query.set("end", String(question.end));
  if (question.cursor !== undefined) query.set("cursor", question.cursor);
  if (question.version !== undefined) query.set("version", question.version);
  return `ohlc?${query.toString()}`;
}

export function symbolList(value: unknown): SymbolList {
  const source = objectOf(value, "the list of symbols");
  return {
    dataset: textOf(source, "dataset"),
    firstDay: textOf(source, "first_day"),
    lastDay: textOf(source, "last_day"),
    symbols: listOf(source["symbols"], "symbols").map(symbolInfo),
    version: textOf(source, "version"),
  };
}

function symbolInfo(value: unknown): SymbolInfo {
  const source = objectOf(value, "a symbol");
  return {
    symbol: textOf(source, "symbol"),
    assetClass: textOf(source, "asset_class"),
    calendar: textOf(source, "calendar"),
    timeZone: textOf(source, "time_zone"),
    tickSize: numberOf(source, "tick_size"),
    lotSize: numberOf(source, "lot_size"),
  };
}

export function barsAnswer(value: unknown): BarsAnswer {
  const source = objectOf(value, "the answer");
  const bars = barsOfColumns(objectOf(source["columns"], "columns"));
  return {
    requested: resolutionOf(source, "requested_resolution"),
    resolution: resolutionOf(source, "resolution"),
    adapted: flagOf(source, "adapted"),
    reason: textOrNull(source, "reason"),
    fallback: textOrNull(source, "fallback"),
    truncated: flagOf(source, "truncated"),
    nextCursor: textOrNull(source, "next_cursor"),
    bars: textOf(source, "order") === "desc" ? bars.reverse() : bars,
  };
}

export function resolutionOf(source: Json, name: string): Resolution {
  const text = textOf(source, name);
  if (isResolution(text)) return text;
  throw new ShapeError(`${name} is no resolution.`);
}

/** Bars of columns t, o, h, l, c, v, n, q, all equally long. */
export function barsOfColumns(columns: Json): Bar[] {
  const times = numbersOf(columns, "t");
  const read = (name: string): ((index: number) => number) => {
    const values = numbersOf(columns, name);
    if (values.length !== times.length) throw new ShapeError(`${name} is not as long as t.`);
    return (index) => values[index] as number;
  };
  const [o, h, l, c] = [read("o"), read("h"), read("l"), read("c")];
  const [v, n, q] = [read("v"), read("n"), read("q")];
  return times.map((t, i) => ({ t, o: o(i), h: h(i), l: l(i), c: c(i), v: v(i), n: n(i), q: q(i) }));
}
