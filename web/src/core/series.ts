/**
 * Bars as what the chart draws: candles, volume, VWAP.
 *
 * What belongs here: points of series. What does not: the chart library. Times are seconds, as it wants them; there is
 * a point for each bar and none between, so that nights and weekends leave no hole.
 */

import type { Bar } from "./bars.js";
import { DAY } from "./resolutions.js";

export interface Candle {
  readonly time: number;
  readonly open: number;
  readonly high: number;
  readonly low: number;
  readonly close: number;
}

export interface Column {
  readonly time: number;
  readonly value: number;
  readonly color: string;
}

/** A point without a value is not drawn; `ends`: no line leads from it to the point after it. */
export interface Point {
  readonly time: number;
  readonly value?: number;
  readonly ends: boolean;
}

export interface VolumeColors {
  readonly up: string;
  readonly down: string;
}

export function candleOf(bar: Bar): Candle {
  return { time: bar.t / 1000, open: bar.o, high: bar.h, low: bar.l, close: bar.c };
}

export function columnOf(bar: Bar, colors: VolumeColors): Column {
  return { time: bar.t / 1000, value: bar.v, color: bar.c >= bar.o ? colors.up : colors.down };
}

/**
 * The volume-weighted average price of each bar: since the beginning of its trading day where bars are shorter than a
 * day, of the bar alone where not.
 *
 * Sessions of all calendars lie within one UTC day. A first day that may have earlier bars has no value: it would be
 * wrong until they are here.
 *
 * @param from points from this index on are wanted
 * @param whole whether the first bar is the first there is, or of a day that begins with it
 * @param to points before this index are wanted
 */
export function vwapPoints(
  bars: readonly Bar[],
  from: number,
  intraday: boolean,
  whole: boolean,
  to = bars.length,
): Point[] {
  const points: Point[] = [];
  const uncertain = whole || !intraday ? NaN : dayOf(bars[0]);
  let [day, turnover, volume] = [NaN, 0, 0];
  let at = intraday ? dayBegin(bars, from) : from;
  for (const bar of bars.slice(at, to)) {
    const itsDay = dayOf(bar);
    if (!intraday || itsDay !== day) [day, turnover, volume] = [itsDay, 0, 0];
    turnover += bar.q;
    volume += bar.v;
    at += 1;
    if (at <= from) continue;
    const known = volume > 0 && itsDay !== uncertain;
    points.push(pointOf(bar, known ? turnover / volume : null, intraday && endsDay(bar, bars[at])));
  }
  return points;
}

function pointOf(bar: Bar, value: number | null, ends: boolean): Point {
  const time = bar.t / 1000;
  return value === null ? { time, ends } : { time, value, ends };
}

/** The index of the first bar of a bar's day. */
function dayBegin(bars: readonly Bar[], index: number): number {
  const day = dayOf(bars[index]);
  let at = index;
  while (at > 0 && dayOf(bars[at - 1]) === day) at -= 1;
  return at;
}

function endsDay(bar: Bar, next: Bar | undefined): boolean {
  return next !== undefined && dayOf(next) !== dayOf(bar);
}

function dayOf(bar: Bar | undefined): number {
  return Math.floor((bar?.t ?? NaN) / DAY);
}
