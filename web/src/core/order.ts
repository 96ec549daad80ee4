/**
 * Trades to be generated: what somebody typed, as `POST /api/v1/generate` wants it, or what is wrong with it.
 *
 * What belongs here: rules that need no question to the service. What does not: which days are closed, which it knows.
 */

import { formatCount } from "./format.js";
import type { Json } from "./json.js";
import type { Operations } from "./operations.js";
import { dayStart } from "./ranges.js";

/** Laws by the names of their fields: the service's own words. */
export const LAWS = {
  price_model: ["stochastic-volatility", "gbm", "mean-reverting"],
  arrivals: ["clustered", "poisson"],
  sizes: ["pareto-lognormal", "lognormal", "fixed"],
} as const;

export type Law = keyof typeof LAWS;

/** What fields hold; an empty text leaves a thing to the dataset. */
export interface Typed {
  readonly count: string;
  readonly first: string;
  readonly last: string;
  readonly symbols: readonly string[];
  readonly laws: Readonly<Record<Law, string>>;
  readonly seed: string;
}

export interface Limits {
  readonly most: number;
  readonly firstDay: string;
  readonly lastDay: string;
}

/** The request's document, or what is wrong in one sentence. */
export function orderOf(typed: Typed, limits: Limits): Json | string {
  const count = wholeOf(typed.count);
  if (count === null || count < 1 || count > limits.most) {
    return `Trades are a whole number from 1 to ${formatCount(limits.most)}.`;
  }
  const days = wrongDays(typed, limits);
  if (days !== null) return days;
  const seed = typed.seed.trim() === "" ? undefined : wholeOf(typed.seed);
  if (seed === null) return `A seed is a whole number from 0 to ${formatCount(Number.MAX_SAFE_INTEGER)}.`;
  const laws = Object.entries(typed.laws).filter(([, law]) => law !== "");
  return {
    count,
    first_day: typed.first,
    last_day: typed.last,
    ...(typed.symbols.length > 0 ? { symbols: typed.symbols } : {}),
    ...Object.fromEntries(laws),
    ...(seed === undefined ? {} : { seed }),
  };
}

/** The days at the dataset's end whose trades are not proved: those that can be open; null where there is none. */
export function openDays({
  resolutions,
  lastDay,
}: Operations): { readonly first: string; readonly last: string } | null {
  const last = resolutions[0]?.waiting.at(-1);
  return last?.last === lastDay ? { first: last.first, last: last.last } : null;
}

function wrongDays({ first, last }: Typed, { firstDay, lastDay }: Limits): string | null {
  if (dayStart(first) === null || dayStart(last) === null) return "Both days are needed.";
  if ([first, last].some((day) => day < firstDay || day > lastDay)) {
    return `The dataset's days run from ${firstDay} to ${lastDay}.`;
  }
  return last < first ? "The last day comes before the first." : null;
}

function wholeOf(text: string): number | null {
  const number = Number(text);
  return /^\s*\d+\s*$/.test(text) && Number.isSafeInteger(number) ? number : null;
}
