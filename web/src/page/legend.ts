/** The read-out: the bar under the crosshair, or the last one. */

import type { Bar } from "../core/bars.js";
import { formatChange, formatCount, formatInstant, formatPrice, formatVolume } from "../core/format.js";
import type { Labels } from "../chart/chart.js";
import { byId, make } from "./elements.js";

export interface Reading {
  readonly symbol: string;
  readonly bar: Bar;
  /** The close before; null for the first bar. */
  readonly before: number | null;
  readonly vwap: number | null;
}

const host = byId("legend", HTMLElement);

export function showReading(reading: Reading | null, labels: Labels): void {
  host.hidden = reading === null;
  if (reading === null) return;
  const { bar, vwap } = reading;
  const price = (value: number): string => formatPrice(value, labels.decimals);
  const before = reading.before ?? bar.o;
  const way = bar.c >= bar.o ? "up" : "down";
  const when = make("div", "", { class: "when" });
  when.append(make("b", reading.symbol), ` · ${labels.resolution} · `);
  when.append(formatInstant(bar.t, labels.resolution, labels.timeZone));
  host.replaceChildren(
    when,
    pair("O", price(bar.o), way),
    pair("H", price(bar.h), way),
    pair("L", price(bar.l), way),
    pair("C", price(bar.c), way),
    pair("", formatChange(before, bar.c, labels.decimals), bar.c >= before ? "up" : "down"),
    pair("Vol", formatVolume(bar.v)),
    pair("VWAP", vwap === null ? "–" : price(vwap), "vwap"),
    pair("Trades", formatCount(bar.n), "", "spare"),
  );
}

function pair(name: string, value: string, look = "", kind = ""): HTMLElement {
  const made = make("div", "", { class: kind });
  if (name !== "") made.append(make("dt", name));
  made.append(make("dd", value, { class: look }));
  return made;
}
