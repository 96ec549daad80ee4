/**
 * What TradingView's Charting Library asks of a datafeed, as far as this one goes: written from the published
 * documentation of its Datafeed API, so that nothing of the library is needed here.
 */

/** `time` is the open time in milliseconds. */
export interface LibraryBar {
  time: number;
  open: number;
  high: number;
  low: number;
  close: number;
  volume?: number;
}

export interface Configuration {
  readonly supported_resolutions: readonly string[];
  readonly exchanges: readonly unknown[];
  readonly symbols_types: readonly unknown[];
  readonly supports_marks: boolean;
  readonly supports_timescale_marks: boolean;
  readonly supports_time: boolean;
}

/** What the library calls so; the service sends more fields than this code reads, and all are handed on. */
export interface SymbolDescription {
  readonly name: string;
  readonly ticker?: string;
  readonly intraday_multipliers?: readonly string[];
  readonly [field: string]: unknown;
}

export interface SearchResult {
  readonly symbol: string;
  readonly description: string;
  readonly exchange: string;
  readonly ticker: string;
  readonly type: string;
}

export interface PeriodParams {
  /** Seconds, included. */
  readonly from: number;
  /** Seconds, excluded. */
  readonly to: number;
  /** How many bars are wanted at least; it outranks `from`. */
  readonly countBack: number;
  readonly firstDataRequest: boolean;
}

/** `time` is that of its bar, in seconds. */
export interface Mark {
  readonly id: number;
  readonly time: number;
  readonly color: string;
  readonly text: string;
  readonly label: string;
  readonly labelFontColor: string;
  readonly minSize: number;
}

export interface HistoryMetadata {
  readonly noData: boolean;
}

export type OnHistory = (bars: LibraryBar[], metadata: HistoryMetadata) => void;
export type OnError = (reason: string) => void;
export type OnTick = (bar: LibraryBar) => void;
