/**
 * Ranges of time: presets, days that somebody picked, and the instants they stand for.
 *
 * What belongs here: calendars of the page. What does not: sessions of exchanges, which the service knows.
 */

import { DAY, durationOf, isIntraday, type Resolution } from "./resolutions.js";

export const PRESETS = ["1D", "5D", "1M", "3M", "6M", "1Y", "All"] as const;

export type Preset = (typeof PRESETS)[number];

/** The latest bars, a preset that ends with them, or days that somebody picked, both included. */
export type Range =
  | { readonly kind: "latest" }
  | { readonly kind: "preset"; readonly preset: Preset }
  | { readonly kind: "days"; readonly from: string; readonly to: string };

/** Milliseconds, half open. */
export interface Span {
  readonly start: number;
  readonly end: number;
}

export const LATEST: Range = { kind: "latest" };

/** What shows a preset in some hundred to two thousand bars. */
const SUITS: Readonly<Record<Preset, Resolution>> = {
  "1D": "1m",
  "5D": "5m",
  "1M": "30m",
  "3M": "1h",
  "6M": "4h",
  "1Y": "1d",
  All: "1d",
};

const MONTHS: Readonly<Record<"1M" | "3M" | "6M" | "1Y", number>> = { "1M": 1, "3M": 3, "6M": 6, "1Y": 12 };

const DAY_FORM = /^\d{4}-\d{2}-\d{2}$/;

export function isPreset(text: string): text is Preset {
  return (PRESETS as readonly string[]).includes(text);
}

export function resolutionFor(preset: Preset): Resolution {
  return SUITS[preset];
}

/** Midnight UTC at which a day begins; null for what is no day. */
export function dayStart(text: string): number | null {
  if (!DAY_FORM.test(text)) return null;
  const instant = Date.parse(`${text}T00:00:00Z`);
  // 31 February would roll over into March.
  return Number.isNaN(instant) || dayOf(instant) !== text ? null : instant;
}

/** The UTC day of an instant. */
export function dayOf(instant: number): string {
  return new Date(instant).toISOString().slice(0, 10);
}

/** The range from one picked day to another, or what is wrong with them. */
export function pickedDays(from: string, to: string): Range | string {
  const start = dayStart(from);
  const end = dayStart(to);
  if (start === null || end === null) return "Pick two days.";
  if (end < start) return "The last day is before the first.";
  return { kind: "days", from, to };
}

/**
 * The instants of a preset.
 *
 * @param last open time of the last bar there is
 * @param calendar of the symbol; five days of an exchange that rests at weekends are a week
 * @returns null for everything
 */
export function presetSpan(preset: Preset, last: number, resolution: Resolution, calendar: string): Span | null {
  if (preset === "All") return null;
  const end = isIntraday(resolution) ? last + durationOf(resolution) : floorDay(last) + DAY;
  if (preset === "1D") return { start: Math.min(end - DAY, floorDay(last)), end };
  if (preset === "5D") return { start: end - (calendar === "24/7" ? 5 : 7) * DAY, end };
  return { start: monthsBefore(floorDay(end - 1), MONTHS[preset]), end };
}

export function daysSpan(from: string, to: string): Span {
  return { start: dayStart(from) ?? 0, end: (dayStart(to) ?? 0) + DAY };
}

/** The same day some months earlier; the last of its month where there is no such day. */
function monthsBefore(instant: number, months: number): number {
  const date = new Date(instant);
  const month = date.getUTCMonth() - months;
  const lastOfMonth = new Date(Date.UTC(date.getUTCFullYear(), month + 1, 0)).getUTCDate();
  return Date.UTC(date.getUTCFullYear(), month, Math.min(date.getUTCDate(), lastOfMonth));
}

function floorDay(instant: number): number {
  return Math.floor(instant / DAY) * DAY;
}
