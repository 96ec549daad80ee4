/**
 * Questions to the service, as the chart puts them: the latest bars, a range, what is before and after.
 *
 * What belongs here: which questions are asked in what order. What does not: what is done with the bars.
 */

import { type BarsAnswer, barsAnswer, type BarsQuestion, barsQuery, symbolList, type SymbolList } from "../core/api.js";
import type { Bar } from "../core/bars.js";
import type { Topic } from "../core/protocol.js";
import type { Span } from "../core/ranges.js";
import type { Http } from "./http.js";

/** Bars of a first view: a few screens. */
const FIRST = 600;
/** Bars of a page of a range: the first ones are seen before the last ones are here. */
const PAGE = 5_000;
/** Bars before or after the loaded ones: more each time, so that a long way back takes few questions. */
const LEAST_MORE = 1_000;
const MOST_MORE = 20_000;

export class Loader {
  private readonly http: Http;
  private version: string | undefined;

  constructor(http: Http) {
    this.http = http;
  }

  async symbols(): Promise<SymbolList> {
    const list = symbolList(await this.http.get("symbols"));
    this.version = list.version;
    return list;
  }

  latest(topic: Topic, signal: AbortSignal): Promise<BarsAnswer> {
    return this.ask({ ...topic, limit: FIRST, order: "desc", adaptive: false }, signal);
  }

  /** The open time of the last bar there is; null where there is none. */
  async lastTime(topic: Topic, signal: AbortSignal): Promise<number | null> {
    const answer = await this.ask({ ...topic, limit: 1, order: "desc", adaptive: false }, signal);
    return answer.bars[0]?.t ?? null;
  }

  /** A range at a resolution that suits it, its end first; null stands for everything. */
  async *range(topic: Topic, span: Span | null, signal: AbortSignal): AsyncGenerator<BarsAnswer, void> {
    const question: BarsQuestion = { ...topic, ...span, limit: PAGE, order: "desc", adaptive: true };
    let answer = await this.ask(question, signal);
    yield answer;
    while (answer.nextCursor !== null) {
      answer = await this.ask({ ...question, cursor: answer.nextCursor }, signal);
      yield answer;
    }
  }

  older(topic: Topic, first: number, loaded: number, signal: AbortSignal): Promise<BarsAnswer> {
    return this.ask({ ...topic, end: first, limit: more(loaded), order: "desc", adaptive: false }, signal);
  }

  newer(topic: Topic, last: number, loaded: number, signal: AbortSignal): Promise<BarsAnswer> {
    return this.ask({ ...topic, start: last, limit: more(loaded), order: "asc", adaptive: false }, signal);
  }

  /** All bars that open at an instant or later; the latest ones where there is none. */
  async since(topic: Topic, since: number | null): Promise<readonly Bar[]> {
    const never = new AbortController().signal;
    if (since === null) return (await this.latest(topic, never)).bars;
    const question: BarsQuestion = { ...topic, start: since, limit: PAGE, order: "asc", adaptive: false };
    let answer = await this.ask(question, never);
    const bars = [...answer.bars];
    while (answer.nextCursor !== null) {
      answer = await this.ask({ ...question, cursor: answer.nextCursor }, never);
      bars.push(...answer.bars);
    }
    return bars;
  }

  private async ask(question: BarsQuestion, signal: AbortSignal): Promise<BarsAnswer> {
    const asked = this.version === undefined ? question : { ...question, version: this.version };
    return barsAnswer(await this.http.get(barsQuery(asked), signal));
  }
}

function more(loaded: number): number {
  return Math.min(Math.max(LEAST_MORE, loaded), MOST_MORE);
}
