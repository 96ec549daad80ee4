/**
 * The newest bars of one topic at a time: from the stream, or by asking again and again where there is no stream.
 *
 * What belongs here: which of the two is used, and closing gaps over HTTP. What does not: their protocols.
 */

import type { Bar } from "../core/bars.js";
import { backoff } from "../core/backoff.js";
import type { Topic } from "../core/protocol.js";
import type { Link } from "../core/state.js";
import { type Clock, realClock } from "./clock.js";
import { Stream, type StreamOptions, type StreamState } from "./stream.js";

export interface FeedOptions {
  readonly open: StreamOptions["open"];
  readonly key?: () => string | null;
  /** Bars that open at an instant or later, ascending; all there are where the instant is null. */
  readonly ask: (topic: Topic, since: number | null) => Promise<readonly Bar[]>;
  readonly onBars: (bars: readonly Bar[]) => void;
  readonly onLink: (link: Link) => void;
  readonly clock?: Clock;
  /** Milliseconds between two questions. */
  readonly every?: number;
}

interface Watch {
  readonly topic: Topic;
  /** Open time of the last bar that is known; null before any. */
  last: number | null;
  readonly end: () => void;
  /** Frames that came while HTTP was asked; null where none is to be kept. */
  held: Bar[] | null;
  asking: boolean;
}

const EVERY = 5_000;

export class Feed {
  private readonly options: FeedOptions;
  private readonly clock: Clock;
  private readonly stream: Stream;
  private watched: Watch | null = null;
  private link: Link = "idle";
  private failures = 0;
  private refused = false;
  private cancel: () => void = () => undefined;

  constructor(options: FeedOptions) {
    this.options = options;
    this.clock = options.clock ?? realClock;
    this.stream = new Stream({
      open: options.open,
      key: options.key ?? (() => null),
      clock: this.clock,
      onState: (state) => {
        this.changed(state);
      },
    });
  }

  /** Watch a topic, and no other; `last` is the open time of the last bar that is known. */
  watch(topic: Topic, last: number | null): void {
    this.unwatch();
    this.refused = false;
    this.tell("connecting");
    const end = this.stream.subscribe(topic, {
      onBars: (bars, whole) => {
        this.heard(watch, bars, whole);
      },
      onRefused: () => {
        this.refused = true;
        this.poll(watch, 0);
      },
    });
    const watch: Watch = { topic, last, end, held: null, asking: false };
    this.watched = watch;
    this.changed(this.stream.state);
  }

  unwatch(): void {
    this.cancel();
    this.watched?.end();
    this.watched = null;
    this.tell("idle");
  }

  /** The network is back, or somebody looks again: try at once. */
  nudge(): void {
    if (this.watched === null) return;
    this.stream.nudge();
    if (this.link !== "live") this.poll(this.watched, 0);
  }

  /** End everything. */
  close(): void {
    this.unwatch();
    this.stream.close();
  }

  private changed(state: StreamState): void {
    if (this.watched === null) return;
    if (state === "open" && !this.refused) {
      this.cancel();
    } else if (state !== "connecting" && state !== "closed") {
      // A gap while the stream is away is closed by questions.
      this.poll(this.watched, 0);
    }
  }

  private heard(watch: Watch, bars: readonly Bar[], whole: boolean): void {
    if (watch.held !== null) {
      watch.held.push(...bars);
      return;
    }
    const first = bars[0];
    const gap = whole && first !== undefined && watch.last !== null && first.t > watch.last;
    if (gap) {
      const held = [...bars];
      watch.held = held;
      void this.question(watch).then(() => {
        this.release(watch, held);
      });
      return;
    }
    this.give(watch, bars);
    this.tell("live");
  }

  private release(watch: Watch, held: readonly Bar[]): void {
    watch.held = null;
    if (this.watched !== watch) return;
    // Ascending within each frame only: the last state of a bar came last.
    this.give(
      watch,
      [...new Map(held.map((bar) => [bar.t, bar])).values()].sort((a, b) => a.t - b.t),
    );
    if (this.stream.state === "open") this.tell("live");
  }

  private poll(watch: Watch, wait: number): void {
    this.cancel();
    this.cancel = this.clock.later(wait, () => {
      if (this.stream.state === "open" && !this.refused) return;
      void this.question(watch).then((answered) => {
        if (this.watched !== watch || (this.stream.state === "open" && !this.refused)) return;
        this.failures = answered ? 0 : this.failures + 1;
        this.tell(answered ? "polling" : "lost");
        const every = this.options.every ?? EVERY;
        this.poll(watch, answered ? every : Math.max(every / 2, backoff(this.failures, this.clock.random())));
      });
    });
  }

  /** Ask HTTP for what is new; whether it answered. */
  private async question(watch: Watch): Promise<boolean> {
    if (watch.asking) return true;
    watch.asking = true;
    try {
      const bars = await this.options.ask(watch.topic, watch.last);
      if (this.watched === watch) this.give(watch, bars);
      return true;
    } catch {
      return false;
    } finally {
      watch.asking = false;
    }
  }

  private give(watch: Watch, bars: readonly Bar[]): void {
    const last = bars.at(-1);
    if (last === undefined) return;
    watch.last = Math.max(watch.last ?? last.t, last.t);
    this.options.onBars(bars);
  }

  private tell(link: Link): void {
    if (link === this.link) return;
    this.link = link;
    this.options.onLink(link);
  }
}
