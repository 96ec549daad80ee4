/**
 * Answers of the service's UDF routes as what the Charting Library wants.
 *
 * What belongs here: documents to values, pure. What does not: requests, callbacks (`datafeed`).
 */

import { flagOf, type Json, listOf, numberOf, numbersOf, objectOf, ShapeError, textOf } from "../core/json.js";
import type { Configuration, LibraryBar, Mark, SearchResult, SymbolDescription } from "./types.js";

/** Bars ascending; `before`: seconds, the last bar before an empty range; null where nothing is before it. */
export interface UdfHistory {
  readonly bars: LibraryBar[];
  readonly before: number | null;
}

export function configurationOf(value: unknown): Configuration {
  const source = told(value);
  return {
    supported_resolutions: texts(source, "supported_resolutions"),
    exchanges: listOf(source["exchanges"], "exchanges"),
    symbols_types: listOf(source["symbols_types"], "symbols_types"),
    supports_marks: flagOf(source, "supports_marks"),
    supports_timescale_marks: flagOf(source, "supports_timescale_marks"),
    supports_time: flagOf(source, "supports_time"),
  };
}

export function descriptionOf(value: unknown): SymbolDescription {
  const source = told(value);
  return { ...source, name: textOf(source, "name") };
}

export function resultsOf(value: unknown): SearchResult[] {
  return listOf(value, "the results").map((one) => {
    const source = objectOf(one, "a result");
    return {
      symbol: textOf(source, "symbol"),
      description: textOf(source, "description"),
      exchange: textOf(source, "exchange"),
      ticker: textOf(source, "ticker"),
      type: textOf(source, "type"),
    };
  });
}

export function historyOf(value: unknown): UdfHistory {
  const source = told(value);
  if (textOf(source, "s") === "no_data") {
    const before = source["nextTime"];
    return { bars: [], before: typeof before === "number" ? before : null };
  }
  const times = numbersOf(source, "t");
  const read = columnReader(times.length);
  const [open, high, low] = [read(numbersOf(source, "o")), read(numbersOf(source, "h")), read(numbersOf(source, "l"))];
  const [close, volume] = [read(numbersOf(source, "c")), read(numbersOf(source, "v"))];
  const bars = times.map((t, i) => ({
    time: t * 1000,
    open: open(i),
    high: high(i),
    low: low(i),
    close: close(i),
    volume: volume(i),
  }));
  return { bars, before: null };
}

export function marksOf(value: unknown): Mark[] {
  const source = told(value);
  const ids = numbersOf(source, "id");
  const read = columnReader(ids.length);
  const [time, minSize] = [read(numbersOf(source, "time")), read(numbersOf(source, "minSize"))];
  const [color, text] = [read(texts(source, "color")), read(texts(source, "text"))];
  const [label, labelFontColor] = [read(texts(source, "label")), read(texts(source, "labelFontColor"))];
  return ids.map((id, i) => ({
    id,
    time: time(i),
    color: color(i),
    text: text(i),
    label: label(i),
    labelFontColor: labelFontColor(i),
    minSize: minSize(i),
  }));
}

/** The time of the service, seconds. */
export function timeOf(value: unknown): number {
  return numberOf({ time: value }, "time");
}

/** A document, unless it tells an error in the protocol's way. */
function told(value: unknown): Json {
  const source = objectOf(value, "the answer");
  if (source["s"] === "error") throw new ShapeError(textOf(source, "errmsg"));
  return source;
}

/** What reads columns of so many rows. */
function columnReader(rows: number): <T>(column: readonly T[]) => (index: number) => T {
  return <T>(column: readonly T[]) => {
    if (column.length !== rows) throw new ShapeError("Columns are not equally long.");
    return (index) => column[index] as T;
  };
}

function texts(source: Json, name: string): readonly string[] {
  const values = listOf(source[name], name);
  if (values.every((value) => typeof value === "string")) return values;
  throw new ShapeError(`${name} holds something that is no text.`);
}
