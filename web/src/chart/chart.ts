/**
 * The chart: candles with VWAP above, volume below.
 *
 * What belongs here: the edge to Lightweight Charts. What does not: points of series (`core/series`), texts
 * (`core/format`), when to load (`page/controller`).
 */

import {
  CandlestickSeries,
  createChart,
  CrosshairMode,
  HistogramSeries,
  type IChartApi,
  type ISeriesApi,
  type LineData,
  LineSeries,
  type LogicalRange,
  type MouseEventParams,
  type UTCTimestamp,
} from "lightweight-charts";

import type { Change, History } from "../core/bars.js";
import { formatInstant, formatPrice } from "../core/format.js";
import type { Span } from "../core/ranges.js";
import { isIntraday, type Resolution } from "../core/resolutions.js";
import { candleOf, columnOf, vwapPoints } from "../core/series.js";
import { frameOptions, scaleOptions, tickLabel } from "./options.js";
import { type Palette, PALETTES, type Theme } from "./palette.js";

/** What the labels of a chart need. */
export interface Labels {
  readonly resolution: Resolution;
  readonly timeZone: string;
  readonly decimals: number;
  readonly tickSize: number;
}

export interface ChartEvents {
  /** The crosshair is over a bar, or over none. */
  readonly onPoint: (index: number | null) => void;
  /** What is visible changed: bars to the left and right of it that are loaded; negative beyond them. */
  readonly onMove: (before: number, after: number) => void;
  /** The scale of prices is so many pixels wide, on which nothing else may lie. */
  readonly onScale: (width: number) => void;
}

/** Part of what is visible that is left free after the last bar. */
const GAP = 0.02;

export class Chart {
  private readonly chart: IChartApi;
  private readonly candles: ISeriesApi<"Candlestick">;
  private readonly vwap: ISeriesApi<"Line">;
  private readonly volume: ISeriesApi<"Histogram">;
  private readonly history: History;
  private palette: Palette;
  private labels: Labels = { resolution: "1m", timeZone: "UTC", decimals: 2, tickSize: 0.01 };
  private whole = false;
  private drawing = false;

  constructor(host: HTMLElement, history: History, theme: Theme, events: ChartEvents) {
    this.history = history;
    this.palette = PALETTES[theme];
    this.chart = createChart(host, { autoSize: true, ...frameOptions(this.palette) });
    this.chart.applyOptions({
      crosshair: { mode: CrosshairMode.Normal },
      timeScale: {
        ...scaleOptions(this.palette),
        tickMarkFormatter: (time: number, kind: number) => tickLabel(time, kind, this.labels),
      },
      localization: {
        timeFormatter: (time: number) => formatInstant(time * 1000, this.labels.resolution, this.labels.timeZone),
      },
    });
    this.candles = this.chart.addSeries(CandlestickSeries, { borderVisible: false });
    this.vwap = this.chart.addSeries(LineSeries, { lineWidth: 1, priceLineVisible: false, lastValueVisible: false });
    this.vwap.applyOptions({ crosshairMarkerVisible: false });
    this.volume = this.chart.addSeries(HistogramSeries, { priceFormat: { type: "volume" } }, 1);
    this.volume.applyOptions({ priceLineVisible: false, lastValueVisible: false });
    this.volume.priceScale().applyOptions({ scaleMargins: { top: 0.2, bottom: 0 }, entireTextOnly: true });
    this.chart.panes()[0]?.setStretchFactor(4);
    this.chart.panes()[1]?.setStretchFactor(1);
    this.paint();
    this.listen(events);
  }

  /** Draw all bars anew; `whole`: nothing is before the first. */
  draw(labels: Labels, whole: boolean): void {
    this.labels = labels;
    this.whole = whole;
    const formatter = (price: number): string => formatPrice(price, labels.decimals);
    const priceFormat = { type: "custom", formatter, minMove: labels.tickSize } as const;
    this.candles.applyOptions({ priceFormat });
    this.vwap.applyOptions({ priceFormat });
    this.chart.timeScale().applyOptions({ timeVisible: isIntraday(labels.resolution) });
    const bars = this.history.all;
    this.candles.setData(bars.map((bar) => stamped(candleOf(bar))));
    this.volume.setData(bars.map((bar) => stamped(columnOf(bar, this.palette.volume))));
    this.vwap.setData(this.vwapFrom(0));
  }

  /** Draw all bars anew where some came before or after, what is visible staying where it is. */
  redraw(labels: Labels, whole: boolean, before: number): void {
    const range = this.visible();
    // New data moves the view for a moment that nobody is to see.
    this.drawing = true;
    this.draw(labels, whole);
    this.drawing = false;
    if (range === null) return;
    this.chart.timeScale().setVisibleLogicalRange({ from: range.from + before, to: range.to + before });
  }

  /** Draw what changed at the end. */
  grow(change: Change): void {
    for (const bar of this.history.all.slice(change.from)) {
      this.candles.update(stamped(candleOf(bar)));
      this.volume.update(stamped(columnOf(bar, this.palette.volume)));
    }
    // The line ends at what was the last bar of a day once the next day begins.
    const before = Math.max(0, change.from - 1);
    for (const [at, point] of this.vwapFrom(before).entries()) this.vwap.update(point, before + at < change.from);
  }

  clear(): void {
    for (const series of [this.candles, this.volume, this.vwap]) series.setData([]);
  }

  /** The VWAP of a bar; null where it is not known. */
  vwapAt(index: number): number | null {
    return vwapPoints(this.history.all, index, this.intraday(), this.whole, index + 1)[0]?.value ?? null;
  }

  /**
   * Show a span of time, or all bars.
   *
   * @param open whether it ends with the last bar there is, which then stands a little off the scale
   */
  show(span: Span | null, open: boolean): void {
    const from = span === null ? 0 : this.history.indexFrom(span.start);
    const to = span === null ? this.history.length : this.history.indexFrom(span.end);
    const gap = open ? (to - from) * GAP : 0;
    this.chart.timeScale().setVisibleLogicalRange({ from: from - 0.5, to: Math.max(to + gap, from + 10) - 0.5 });
  }

  /** Show the latest bars at the usual width. */
  showLatest(): void {
    this.chart.timeScale().resetTimeScale();
  }

  showOldest(): void {
    const range = this.visible();
    if (range === null) return;
    this.chart.timeScale().setVisibleLogicalRange({ from: 0, to: range.to - range.from });
  }

  pan(screens: number): void {
    const range = this.visible();
    if (range === null) return;
    const by = (range.to - range.from) * screens;
    this.chart.timeScale().setVisibleLogicalRange({ from: range.from + by, to: range.to + by });
  }

  zoom(factor: number): void {
    const range = this.visible();
    if (range === null) return;
    this.chart.timeScale().setVisibleLogicalRange({ from: range.to - (range.to - range.from) * factor, to: range.to });
  }

  theme(theme: Theme): void {
    this.palette = PALETTES[theme];
    this.paint();
    this.volume.setData(this.history.all.map((bar) => stamped(columnOf(bar, this.palette.volume))));
  }

  private listen(events: ChartEvents): void {
    this.chart.subscribeCrosshairMove((event: MouseEventParams) => {
      const index = event.logical ?? null;
      events.onPoint(index !== null && index >= 0 && index < this.history.length ? index : null);
    });
    this.chart.timeScale().subscribeSizeChange(() => {
      events.onScale(this.candles.priceScale().width());
    });
    this.chart.timeScale().subscribeVisibleLogicalRangeChange((range) => {
      if (range !== null && !this.drawing) events.onMove(range.from, this.history.length - 1 - range.to);
    });
  }

  private paint(): void {
    const { up, down, vwap } = this.palette;
    this.chart.applyOptions(frameOptions(this.palette));
    this.chart.timeScale().applyOptions(scaleOptions(this.palette));
    this.candles.applyOptions({ upColor: up, downColor: down, wickUpColor: up, wickDownColor: down });
    this.vwap.applyOptions({ color: vwap });
  }

  /** The line is not drawn over the night, at whose end its value begins anew. */
  private vwapFrom(index: number): LineData[] {
    const points = vwapPoints(this.history.all, index, this.intraday(), this.whole);
    return points.map((point) => stamped(point.ends ? { ...point, color: "transparent" } : point) as LineData);
  }

  private intraday(): boolean {
    return isIntraday(this.labels.resolution);
  }

  private visible(): LogicalRange | null {
    return this.history.length === 0 ? null : this.chart.timeScale().getVisibleLogicalRange();
  }
}

function stamped<T extends { readonly time: number }>(point: T): T & { time: UTCTimestamp } {
  return point as T & { time: UTCTimestamp };
}
