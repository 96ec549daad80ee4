/**
 * Bars and a history of them that grows at both ends.
 *
 * What belongs here: keeping bars in order, without duplicates, the last state of each. What does not: how they are
 * drawn (`series`), where they come from.
 */

/** `t` is the open time, milliseconds since 1970 UTC; `n` counts trades; `q` is the turnover, sum of price x amount. */
export interface Bar {
  readonly t: number;
  readonly o: number;
  readonly h: number;
  readonly l: number;
  readonly c: number;
  readonly v: number;
  readonly n: number;
  readonly q: number;
}

/** What changed: the first index that did, and whether all of it lies at the end. */
export interface Change {
  readonly from: number;
  readonly atEnd: boolean;
}

/** Bars ascending by time, each time once. */
export class History {
  private bars: Bar[] = [];

  get all(): readonly Bar[] {
    return this.bars;
  }

  get length(): number {
    return this.bars.length;
  }

  get first(): Bar | undefined {
    return this.bars[0];
  }

  get last(): Bar | undefined {
    return this.bars.at(-1);
  }

  clear(): void {
    this.bars = [];
  }

  /**
   * Take bars in, ascending; a bar that is there already is replaced.
   *
   * @returns what changed; null where nothing was given
   */
  apply(given: readonly Bar[]): Change | null {
    const first = given[0];
    if (first === undefined) return null;
    const from = this.indexFrom(first.t);
    const tail = this.bars.slice(from);
    const merged = mergeBars(tail, given);
    // Most often the last bar grows: no copy of what is before it.
    this.bars.length = from;
    for (const bar of merged) this.bars.push(bar);
    return { from, atEnd: tail.length === 0 || (tail.length === 1 && tail[0]?.t === first.t) };
  }

  /** The bar that opens at an instant. */
  at(t: number): Bar | undefined {
    const bar = this.bars[this.indexFrom(t)];
    return bar?.t === t ? bar : undefined;
  }

  /** The index of the first bar that opens at an instant or later. */
  indexFrom(t: number): number {
    let low = 0;
    let high = this.bars.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.bars[middle] as Bar).t < t) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

/** Merge two ascending lists; where both have a bar of a time, the newer one counts. */
export function mergeBars(older: readonly Bar[], newer: readonly Bar[]): Bar[] {
  const found = new Map(older.map((bar) => [bar.t, bar]));
  for (const bar of newer) found.set(bar.t, bar);
  return [...found.values()].sort((a, b) => a.t - b.t);
}
