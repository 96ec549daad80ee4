/**
 * Numbers and instants as texts.
 *
 * What belongs here: formatting. What does not: which texts are shown where. Bars of a day or more are labelled by
 * their UTC day; shorter ones by the wall clock of the symbol's exchange.
 */

import { isIntraday, type Resolution } from "./resolutions.js";

const COMPACT = new Intl.NumberFormat("en", { notation: "compact", maximumFractionDigits: 2 });
const WHOLE = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });
const clocks = new Map<string, Intl.DateTimeFormat>();

/** How many decimals a tick has. */
export function decimalsOf(tickSize: number): number {
  for (let decimals = 0; decimals < 12; decimals += 1) {
    const scaled = tickSize * 10 ** decimals;
    if (Math.abs(scaled - Math.round(scaled)) < 1e-6 && Math.round(scaled) > 0) return decimals;
  }
  return 12;
}

export function formatPrice(price: number, decimals: number): string {
  return price.toLocaleString("en", { minimumFractionDigits: decimals, maximumFractionDigits: decimals });
}

export function formatVolume(volume: number): string {
  return COMPACT.format(volume);
}

export function formatCount(count: number): string {
  return WHOLE.format(count);
}

/** A change with its sign and per cent: "+1.20 (+0.64 %)". */
export function formatChange(from: number, to: number, decimals: number): string {
  const share = from === 0 ? 0 : ((to - from) / from) * 100;
  const sign = to > from ? "+" : to < from ? "−" : "";
  const amount = formatPrice(Math.abs(to - from), decimals);
  return `${sign}${amount} (${sign}${Math.abs(share).toFixed(2)} %)`;
}

/** The wall clock that a resolution is labelled by. */
export function zoneFor(resolution: Resolution, timeZone: string): string {
  return isIntraday(resolution) ? timeZone : "UTC";
}

/** An instant in full: "Fri 5 Jan 2024 09:30". */
export function formatInstant(t: number, resolution: Resolution, timeZone: string): string {
  const day = clock("day", zoneFor(resolution, timeZone)).format(t).replace(",", "");
  return isIntraday(resolution) ? `${day} ${clock("time", timeZone).format(t)}` : day;
}

export type TickKind = "year" | "month" | "day" | "time";

/** A label of the time axis. */
export function formatTick(t: number, kind: TickKind, resolution: Resolution, timeZone: string): string {
  return clock(`tick-${kind}`, zoneFor(resolution, timeZone)).format(t);
}

/** What a time zone is called beside a time: "UTC", "New York". */
export function zoneName(timeZone: string): string {
  if (timeZone === "Etc/UTC" || timeZone === "UTC") return "UTC";
  return timeZone.slice(timeZone.lastIndexOf("/") + 1).replaceAll("_", " ");
}

const FORMS: Readonly<Record<string, Intl.DateTimeFormatOptions>> = {
  day: { weekday: "short", day: "numeric", month: "short", year: "numeric" },
  time: { hour: "2-digit", minute: "2-digit", hourCycle: "h23" },
  "tick-year": { year: "numeric" },
  "tick-month": { month: "short" },
  "tick-day": { day: "numeric" },
  "tick-time": { hour: "2-digit", minute: "2-digit", hourCycle: "h23" },
};

/** Clocks are dear to make and cheap to use. */
function clock(form: string, timeZone: string): Intl.DateTimeFormat {
  const key = `${form} ${timeZone}`;
  const known = clocks.get(key);
  if (known !== undefined) return known;
  const made = new Intl.DateTimeFormat("en-GB", { ...FORMS[form], timeZone });
  clocks.set(key, made);
  return made;
}
