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

/** A point without a value leaves a gap in the line. */
export interface Point {
  readonly time: number;
  readonly value?: number;
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
 */
export function vwapPoints(bars: readonly Bar[], from: number, intraday: boolean, whole: boolean): Point[] {
  const first = bars[0];
  if (first === undefined) return [];
  const points: Point[] = [];
  const firstDay = Math.floor(first.t / DAY);
  let at = intraday ? dayBegin(bars, from) : from;
  let [day, turnover, volume] = [NaN, 0, 0];
  for (const bar of bars.slice(at)) {
    const itsDay = Math.floor(bar.t / DAY);
    if (!intraday || itsDay !== day) [day, turnover, volume] = [itsDay, 0, 0];
    turnover += bar.q;
    volume += bar.v;
    const known = volume > 0 && (!intraday || whole || itsDay !== firstDay);
    if (at >= from) points.push(known ? { time: bar.t / 1000, value: turnover / volume } : { time: bar.t / 1000 });
    at += 1;
  }
  return points;
}

/** The index of the first bar of a bar's day. */
function dayBegin(bars: readonly Bar[], index: number): number {
  const day = Math.floor((bars[index]?.t ?? 0) / DAY);
  let at = index;
  while (at > 0 && Math.floor((bars[at - 1]?.t ?? 0) / DAY) === day) at -= 1;
  return at;
}
