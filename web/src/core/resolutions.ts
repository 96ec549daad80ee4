/**
 * Lengths of bars: their names, durations, and what they are called by TradingView.
 *
 * What belongs here: facts about resolutions. What does not: which of them suits a range (`ranges`).
 */

export const MINUTE = 60_000;
export const HOUR = 60 * MINUTE;
export const DAY = 24 * HOUR;

export const RESOLUTIONS = ["1m", "5m", "15m", "30m", "1h", "2h", "4h", "1d", "1W", "1M"] as const;

export type Resolution = (typeof RESOLUTIONS)[number];

/** Milliseconds; a month counts as its longest. */
const DURATIONS: Readonly<Record<Resolution, number>> = {
  "1m": MINUTE,
  "5m": 5 * MINUTE,
  "15m": 15 * MINUTE,
  "30m": 30 * MINUTE,
  "1h": HOUR,
  "2h": 2 * HOUR,
  "4h": 4 * HOUR,
  "1d": DAY,
  "1W": 7 * DAY,
  "1M": 31 * DAY,
};

const LONG: Readonly<Record<Resolution, string>> = {
  "1m": "1 minute",
  "5m": "5 minutes",
  "15m": "15 minutes",
  "30m": "30 minutes",
  "1h": "1 hour",
  "2h": "2 hours",
  "4h": "4 hours",
  "1d": "1 day",
  "1W": "1 week",
  "1M": "1 month",
};

const TRADINGVIEW: ReadonlyMap<string, Resolution> = new Map([
  ["1", "1m"],
  ["5", "5m"],
  ["15", "15m"],
  ["30", "30m"],
  ["60", "1h"],
  ["120", "2h"],
  ["240", "4h"],
  ["D", "1d"],
  ["1D", "1d"],
  ["W", "1W"],
  ["1W", "1W"],
  ["M", "1M"],
  ["1M", "1M"],
]);

export function isResolution(text: string): text is Resolution {
  return (RESOLUTIONS as readonly string[]).includes(text);
}

export function durationOf(resolution: Resolution): number {
  return DURATIONS[resolution];
}

export function longName(resolution: Resolution): string {
  return LONG[resolution];
}

/** Whether a bar is shorter than a day, so that its time of day matters. */
export function isIntraday(resolution: Resolution): boolean {
  return DURATIONS[resolution] < DAY;
}

/** The resolution `steps` coarser, or finer where negative; the last there is at either end. */
export function stepped(resolution: Resolution, steps: number): Resolution {
  const at = RESOLUTIONS.indexOf(resolution) + steps;
  return RESOLUTIONS[Math.min(Math.max(at, 0), RESOLUTIONS.length - 1)] as Resolution;
}

/** The resolution that TradingView calls so; null where there is none. */
export function fromTradingView(name: string): Resolution | null {
  return TRADINGVIEW.get(name) ?? null;
}
