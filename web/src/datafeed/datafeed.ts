/**
 * A datafeed for TradingView's Charting Library, over this service: `new Datafeed("https://host")`.
 *
 * What belongs here: the library's methods and habits. It wants answers after its call has returned, milliseconds,
 * bars of its own that it may change, and `noData` only where history begins. What does not: documents (`udf`), live
 * bars (`live`).
 */

import { fromTradingView, type Resolution } from "../core/resolutions.js";
import { type Clock, realClock } from "../net/clock.js";
import { Http, realWeb, type Web } from "../net/http.js";
import { opener, type Socket, Stream } from "../net/stream.js";
import { Live } from "./live.js";
import type {
  Configuration,
  LibraryBar,
  Mark,
  OnError,
  OnHistory,
  OnTick,
  PeriodParams,
  SearchResult,
  SymbolDescription,
} from "./types.js";
import { configurationOf, descriptionOf, historyOf, marksOf, resultsOf, timeOf } from "./udf.js";

export type * from "./types.js";

export interface DatafeedOptions {
  /** A key of the role `read`, where the service needs one. */
  readonly key?: string;
  /** Milliseconds between two questions where there is no stream. */
  readonly every?: number;
  /** Called when bars that the library keeps are out of date: call `resetData()` of its charts here. */
  readonly onReset?: () => void;
  readonly clock?: Clock;
  readonly web?: Web;
  readonly open?: () => Socket;
}

const EVERY = 10_000;
const MOST_FOUND = 30;
/** Fewer bars than this the library takes for a mistake. */
const LEAST_BARS = 2;

export class Datafeed {
  private readonly http: Http;
  private readonly stream: Stream;
  private readonly options: DatafeedOptions;
  private readonly clock: Clock;
  private readonly lives = new Map<string, Live>();
  /** Time of the last bar that was handed out, by symbol and resolution. */
  private readonly lasts = new Map<string, number>();

  /** @param address of the service, with or without a slash at its end */
  constructor(address: string, options: DatafeedOptions = {}) {
    const base = address.replace(/\/*$/, "/");
    this.options = options;
    this.clock = options.clock ?? realClock;
    this.http = new Http(base, options.web ?? realWeb);
    this.http.key = options.key ?? null;
    this.stream = new Stream({
      open: options.open ?? opener(`${base}api/v1/stream`),
      key: () => options.key ?? null,
      clock: this.clock,
      onState: () => undefined,
    });
  }

  onReady(callback: (configuration: Configuration) => void): void {
    this.answer(
      async () => configurationOf(await this.http.get("udf/config")),
      callback,
      // Without a configuration the library does nothing at all: it asks again.
      () => {
        this.clock.later(this.options.every ?? EVERY, () => {
          this.onReady(callback);
        });
      },
    );
  }

  searchSymbols(text: string, exchange: string, type: string, onResult: (results: SearchResult[]) => void): void {
    const query = new URLSearchParams({ query: text, exchange, type, limit: String(MOST_FOUND) });
    const ask = async (): Promise<SearchResult[]> => resultsOf(await this.http.get(`udf/search?${query.toString()}`));
    this.answer(ask, onResult, () => {
      onResult([]);
    });
  }

  resolveSymbol(name: string, onResolve: (description: SymbolDescription) => void, onError: OnError): void {
    const query = new URLSearchParams({ symbol: name });
    const ask = async (): Promise<SymbolDescription> =>
      descriptionOf(await this.http.get(`udf/symbols?${query.toString()}`));
    this.answer(ask, onResolve, onError);
  }

  getBars(
    symbol: SymbolDescription,
    resolution: string,
    period: PeriodParams,
    onResult: OnHistory,
    onError: OnError,
  ): void {
    const topic = topicOf(symbol, resolution);
    this.answer(
      () => this.history(nameOf(symbol), resolution, period),
      (bars) => {
        const last = bars.at(-1)?.time;
        if (last !== undefined) this.lasts.set(topic, Math.max(last, this.lasts.get(topic) ?? last));
        // The service adds bars before the range as the count wants: none at all means that history begins here.
        onResult(bars, { noData: bars.length === 0 });
      },
      onError,
    );
  }

  subscribeBars(
    symbol: SymbolDescription,
    resolution: string,
    onTick: OnTick,
    uid: string,
    onResetCacheNeeded: () => void,
  ): void {
    this.unsubscribeBars(uid);
    const topic = topicOf(symbol, resolution);
    const live = new Live({
      stream: this.stream,
      clock: this.clock,
      ask: () => this.latest(nameOf(symbol), resolution),
      symbol: nameOf(symbol),
      resolution: streamed(symbol, resolution),
      last: this.lasts.get(topic) ?? null,
      every: this.options.every ?? EVERY,
      onTick,
      onReset: () => {
        this.lasts.delete(topic);
        onResetCacheNeeded();
        this.options.onReset?.();
      },
    });
    this.lives.set(uid, live);
  }

  unsubscribeBars(uid: string): void {
    this.lives.get(uid)?.close();
    this.lives.delete(uid);
  }

  getMarks(
    symbol: SymbolDescription,
    from: number,
    to: number,
    onResult: (marks: Mark[]) => void,
    resolution: string,
  ): void {
    const query = new URLSearchParams({ symbol: nameOf(symbol), from: String(from), to: String(to), resolution });
    const ask = async (): Promise<Mark[]> => marksOf(await this.http.get(`udf/marks?${query.toString()}`));
    this.answer(ask, onResult, () => {
      onResult([]);
    });
  }

  getServerTime(callback: (seconds: number) => void): void {
    this.answer(
      async () => timeOf(await this.http.get("udf/time")),
      callback,
      () => undefined,
    );
  }

  /** End everything: no callback is called any more. */
  close(): void {
    for (const uid of [...this.lives.keys()]) this.unsubscribeBars(uid);
    this.stream.close();
  }

  private async history(symbol: string, resolution: string, period: PeriodParams): Promise<LibraryBar[]> {
    const ask = async (from: number, to: number): Promise<ReturnType<typeof historyOf>> => {
      const countback = String(Math.max(period.countBack, LEAST_BARS));
      const query = new URLSearchParams({ symbol, resolution, from: String(from), to: String(to), countback });
      return historyOf(await this.http.get(`udf/history?${query.toString()}`));
    };
    const found = await ask(period.from, period.to);
    // A gap is no beginning of history: what is before it is asked for, and the gap stays one.
    const kept = found.before === null ? found : await ask(found.before, found.before + 1);
    return kept.bars.filter((bar) => bar.time < period.to * 1000);
  }

  private latest(symbol: string, resolution: string): Promise<LibraryBar[]> {
    const to = 9_000_000_000; // later than any bar
    return this.history(symbol, resolution, { from: to, to, countBack: LEAST_BARS, firstDataRequest: false });
  }

  /** Answer later, never while the library's call is still under way. */
  private answer<T>(ask: () => Promise<T>, onResult: (result: T) => void, onError: OnError): void {
    ask().then(
      (result) => {
        this.clock.later(0, () => {
          onResult(result);
        });
      },
      (error: unknown) => {
        this.clock.later(0, () => {
          onError((error as Error).message);
        });
      },
    );
  }
}

function nameOf(symbol: SymbolDescription): string {
  return symbol.ticker ?? symbol.name;
}

function topicOf(symbol: SymbolDescription, resolution: string): string {
  return `${nameOf(symbol)} ${resolution}`;
}

/**
 * The stream's name of a resolution; null where its bars are not those of the history.
 *
 * An exchange's hours begin with its session in the history and with the clock in the stream: only what a symbol
 * declares as its own is the same in both.
 */
function streamed(symbol: SymbolDescription, resolution: string): Resolution | null {
  const name = fromTradingView(resolution);
  if (name === "1d") return name;
  return symbol.intraday_multipliers?.includes(resolution) === true ? name : null;
}
