/**
 * What happens when: a view is loaded, scrolled, kept up to date, asked for again after a failure.
 *
 * What belongs here: the order of things. What does not: state's rules (`core/state`), elements (`main` and others).
 */

import type { Chart, Labels } from "../chart/chart.js";
import type { BarsAnswer } from "../core/api.js";
import { backoff } from "../core/backoff.js";
import type { Bar, History } from "../core/bars.js";
import { decimalsOf } from "../core/format.js";
import { ProblemError, problemOf } from "../core/problems.js";
import type { Topic } from "../core/protocol.js";
import { daysSpan, dayStart, presetSpan, type Span } from "../core/ranges.js";

import { type Event, initial, reduce, retries, shownSymbol, type State } from "../core/state.js";
import type { View } from "../core/url.js";
import { Feed } from "../net/feed.js";
import type { Socket } from "../net/stream.js";
import type { Loader } from "../net/loader.js";

/** Bars to the edge of what is loaded at which more are asked for. */
const NEAR = 100;

export interface Surroundings {
  readonly loader: Loader;
  readonly chart: Chart;
  readonly history: History;
  readonly open: () => Socket;
  readonly key: () => string | null;
  /** State changed, or bars did. */
  readonly onChange: (state: State) => void;
}

export class Controller {
  private readonly around: Surroundings;
  private readonly feed: Feed;
  private now: State;
  private abort = new AbortController();
  private failures = 0;
  private timer: ReturnType<typeof setTimeout> | undefined;

  constructor(around: Surroundings, view: View) {
    this.around = around;
    this.now = initial(view, navigator.onLine);
    this.feed = new Feed({
      open: around.open,
      key: around.key,
      ask: (topic, since) => around.loader.since(topic, since),
      onBars: (bars) => {
        this.grow(bars);
      },
      onLink: (link) => {
        this.tell({ type: "link", link });
      },
    });
  }

  get state(): State {
    return this.now;
  }

  get labels(): Labels {
    const info = shownSymbol(this.now);
    const tickSize = info?.tickSize ?? 0.01;
    return {
      resolution: this.topic.resolution,
      timeZone: info?.timeZone ?? "UTC",
      decimals: decimalsOf(tickSize),
      tickSize,
    };
  }

  /** Show something else, or the same anew. */
  async load(view: View): Promise<void> {
    clearTimeout(this.timer);
    this.abort.abort();
    this.abort = new AbortController();
    const { signal } = this.abort;
    this.feed.unwatch();
    this.tell({ type: "viewed", view });
    this.tell({ type: "asked" });
    try {
      const early = this.early(view, signal);
      await this.list();
      if (!signal.aborted) await this.fill(this.now.view, signal, early);
    } catch (error) {
      if (!signal.aborted) this.fail(error);
    }
  }

  /** Ask again, for what failed or for nothing in particular: the network is back, or somebody looks. */
  retry(): void {
    if (this.now.phase === "failed") void this.load(this.now.view);
    else this.feed.nudge();
  }

  online(online: boolean): void {
    this.tell({ type: "online", online });
    if (online) this.retry();
  }

  /** The visible range came near an edge of what is loaded. */
  moved(before: number, after: number): void {
    if (this.now.phase !== "ready") return;
    if (before < NEAR && this.now.older === "more") void this.extend("older");
    if (after < NEAR && this.now.newer === "more") void this.extend("newer");
  }

  /** Ask once more for what could not be loaded at an edge. */
  again(): void {
    if (this.now.older === "failed") void this.extend("older");
    if (this.now.newer === "failed") void this.extend("newer");
  }

  /** What is asked for once the effective resolution is known. */
  private get topic(): Topic {
    const { view, effective } = this.now;
    return { symbol: view.symbol, resolution: effective?.resolution ?? view.resolution };
  }

  private async list(): Promise<void> {
    if (this.now.list === null) {
      const list = await this.around.loader.symbols();
      this.tell({ type: "listed", list });
    }
    const symbol = this.now.view.symbol;
    const first = this.now.list?.symbols[0]?.symbol;
    if (symbol === "" && first !== undefined) this.tell({ type: "viewed", view: { ...this.now.view, symbol: first } });
    else if (shownSymbol(this.now) === null) {
      throw new ProblemError(problemOf("unknown", `The dataset has no symbol ${symbol}.`));
    }
  }

  /** The first bars of all, asked for while the list of symbols is still on its way. */
  private early(view: View, signal: AbortSignal): Promise<BarsAnswer> | null {
    if (this.now.list !== null || view.symbol === "" || view.range.kind !== "latest") return null;
    const asked = this.around.loader.latest(this.topic, signal);
    asked.catch(() => undefined); // whoever awaits it is told
    return asked;
  }

  private async fill(view: View, signal: AbortSignal, early: Promise<BarsAnswer> | null): Promise<void> {
    const span = await this.span(view, signal);
    if (span === undefined) await this.fillLatest(signal, early);
    else await this.fillRange(span, signal);
    this.follow();
  }

  private async fillLatest(signal: AbortSignal, early: Promise<BarsAnswer> | null): Promise<void> {
    const { loader, history, chart } = this.around;
    const answer = await (early ?? loader.latest(this.topic, signal));
    signal.throwIfAborted();
    history.clear();
    this.take(answer, answer.truncated ? "more" : "none", "none");
    chart.showLatest();
  }

  private async fillRange(span: Span | null, signal: AbortSignal): Promise<void> {
    const { loader, history, chart } = this.around;
    const topic = this.topic;
    const newer = this.newerThan(span);
    let begun = false;
    for await (const answer of loader.range(topic, span, signal)) {
      signal.throwIfAborted();
      if (!begun) history.clear();
      begun = true;
      const edge = span === null ? "none" : "more";
      this.take(answer, answer.nextCursor === null ? edge : "loading", newer);
      chart.show(span, newer === "none");
    }
  }

  /** Whether there may be bars after picked days; presets end with the last bar. */
  private newerThan(span: Span | null): State["newer"] {
    const lastDay = dayStart(this.now.list?.lastDay ?? "") ?? Infinity;
    return this.now.view.range.kind === "days" && span !== null && span.end <= lastDay ? "more" : "none";
  }

  /** The instants of a view; null for everything, undefined for the latest bars, or where there is none. */
  private async span(view: View, signal: AbortSignal): Promise<Span | null | undefined> {
    if (view.range.kind === "days") return daysSpan(view.range.from, view.range.to);
    if (view.range.kind === "latest") return undefined;
    if (view.range.preset === "All") return null;
    const last = await this.around.loader.lastTime(this.topic, signal);
    if (last === null) return undefined;
    return presetSpan(view.range.preset, last, view.resolution, shownSymbol(this.now)?.calendar ?? "24/7");
  }

  private take(answer: BarsAnswer, older: State["older"], newer: State["newer"]): void {
    const { history, chart } = this.around;
    history.apply(answer.bars);
    this.failures = 0;
    // What is drawn depends on the effective resolution, which is told by the answer.
    this.now = reduce(this.now, { type: "answered", answer, count: history.length, older, newer });
    chart.draw(this.labels, older === "none");
    this.around.onChange(this.now);
  }

  /** Watch for new bars, where the loaded ones reach the latest; days without any stay as empty as they are. */
  private follow(): void {
    const last = this.around.history.last?.t ?? null;
    if (this.now.newer !== "none" || (last === null && this.now.view.range.kind === "days")) return;
    this.feed.watch(this.topic, last);
  }

  private grow(bars: readonly Bar[]): void {
    const { history, chart } = this.around;
    const before = history.length;
    const change = history.apply(bars);
    if (change === null) return;
    if (change.atEnd && before > 0) chart.grow(change);
    else chart.redraw(this.labels, this.now.older === "none", 0);
    this.tell({ type: "grown" });
  }

  private async extend(edge: "older" | "newer"): Promise<void> {
    const { history, chart, loader } = this.around;
    const { first, last } = history;
    if (first === undefined || last === undefined) return;
    const { signal } = this.abort;
    this.tell({ type: edge, edge: "loading" });
    try {
      const answer =
        edge === "older"
          ? await loader.older(this.topic, first.t, history.length, signal)
          : await loader.newer(this.topic, last.t, history.length, signal);
      if (signal.aborted) return;
      history.apply(answer.bars);
      this.now = reduce(this.now, { type: edge, edge: answer.truncated ? "more" : "none" });
      chart.redraw(this.labels, this.now.older === "none", edge === "older" ? answer.bars.length : 0);
      this.around.onChange(this.now);
      if (edge === "newer") this.follow();
    } catch {
      if (signal.aborted) return;
      this.tell({ type: edge, edge: "failed" });
      this.later(() => {
        this.again();
      });
    }
  }

  private fail(error: unknown): void {
    const problem =
      error instanceof ProblemError
        ? error.problem
        : problemOf("defect", "The service's answer is not what this page expects; a newer page may be needed.");
    this.around.history.clear();
    this.around.chart.clear();
    this.tell({ type: "failed", problem });
    if (retries(this.now)) {
      this.later(() => {
        this.retry();
      }, problem.retryAfter);
    }
  }

  private later(what: () => void, asked: number | null = null): void {
    this.failures += 1;
    clearTimeout(this.timer);
    this.timer = setTimeout(what, backoff(this.failures, Math.random(), asked));
  }

  private tell(event: Event): void {
    this.now = reduce(this.now, event);
    this.around.onChange(this.now);
  }
}
