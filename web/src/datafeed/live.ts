/**
 * Bars as they grow, for the Charting Library: from the live stream, or asked for every few seconds without one.
 *
 * What belongs here: which bars may be ticked. A tick may replace the last bar or add one after it; for anything else
 * the library is told that what it keeps is out of date.
 */

import type { Bar } from "../core/bars.js";
import type { Resolution } from "../core/resolutions.js";
import type { Clock } from "../net/clock.js";
import type { Stream } from "../net/stream.js";
import type { LibraryBar, OnTick } from "./types.js";

export interface LiveOptions {
  readonly stream: Stream;
  readonly clock: Clock;
  /** The last bars of a topic, ascending. */
  readonly ask: () => Promise<readonly LibraryBar[]>;
  readonly symbol: string;
  /** Null for what the stream does not have: it is asked for. */
  readonly resolution: Resolution | null;
  /** Time of the last bar that the library got, milliseconds; null where it got none. */
  readonly last: number | null;
  readonly every: number;
  readonly onTick: OnTick;
  readonly onReset: () => void;
}

export class Live {
  private readonly options: LiveOptions;
  /** Of no bar at all: earlier than any. */
  private last: number;
  private refused = false;
  private begun = false;
  private ended = false;
  private end: () => void = () => undefined;
  private cancel: () => void;

  constructor(options: LiveOptions) {
    this.options = options;
    this.last = options.last ?? -Infinity;
    const { stream, symbol, resolution } = options;
    if (resolution !== null) {
      const listener = {
        onBars: (bars: readonly Bar[], whole: boolean) => {
          this.hear(bars, whole);
        },
        onRefused: () => {
          this.refused = true;
        },
      };
      this.end = stream.subscribe({ symbol, resolution }, listener);
    }
    this.cancel = this.poll();
  }

  close(): void {
    this.ended = true;
    this.end();
    this.cancel();
  }

  private hear(bars: readonly Bar[], whole: boolean): void {
    // A snapshot after the first one says that some frames are lost for good.
    if (whole && this.begun) this.options.onReset();
    this.begun = true;
    this.tick(
      bars.map(({ t, o, h, l, c, v }) => ({ time: t, open: o, high: h, low: l, close: c, volume: v })),
      whole,
    );
  }

  private tick(bars: readonly LibraryBar[], whole: boolean): void {
    if (this.ended) return;
    // A late trade changed a bar that the library has and will not take again by a tick.
    if (!whole && bars.some((bar) => bar.time < this.last)) this.options.onReset();
    for (const bar of bars) {
      if (bar.time < this.last) continue;
      this.last = bar.time;
      this.options.onTick({ ...bar });
    }
  }

  private poll(): () => void {
    return this.options.clock.later(this.options.every, () => {
      void this.ask().finally(() => {
        if (!this.ended) this.cancel = this.poll();
      });
    });
  }

  private async ask(): Promise<void> {
    const { stream, resolution } = this.options;
    if (resolution !== null && stream.state === "open" && !this.refused) return;
    try {
      this.tick(await this.options.ask(), true);
    } catch {
      // The next question may be answered.
    }
  }
}
