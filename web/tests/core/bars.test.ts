import { describe, expect, it } from "vitest";

import { History, mergeBars } from "../../src/core/bars.js";
import { bar } from "../made.js";

const times = (history: History): number[] => history.all.map((one) => one.t);

function historyOf(...opens: number[]): History {
  const history = new History();
  history.apply(opens.map((t) => bar(t)));
  return history;
}

describe("History", () => {
  it("is empty at first and after clearing", () => {
    const history = historyOf(1, 2);
    history.clear();
    expect([history.length, history.first, history.last]).toEqual([0, undefined, undefined]);
    expect(history.apply([])).toBeNull();
  });

  it("takes bars before what it has, and says where the change begins", () => {
    const history = historyOf(3, 4);
    expect(history.apply([bar(1), bar(2)])).toEqual({ from: 0, atEnd: false });
    expect(times(history)).toEqual([1, 2, 3, 4]);
  });

  it("grows at its end without touching what is before", () => {
    const history = historyOf(1, 2);
    expect(history.apply([bar(3), bar(4)])).toEqual({ from: 2, atEnd: true });
    expect(history.apply([bar(4, 99), bar(5)])).toEqual({ from: 3, atEnd: true });
    expect(history.at(4)?.c).toBe(99);
    expect(times(history)).toEqual([1, 2, 3, 4, 5]);
  });

  it("tells a late bar from growth: one in between, one that is not the last, one before the last", () => {
    expect(historyOf(1, 3).apply([bar(2)])).toEqual({ from: 1, atEnd: false });
    expect(historyOf(1, 2, 3).apply([bar(2, 50)])).toEqual({ from: 1, atEnd: false });
  });

  it("keeps one bar of a time whatever the order it comes in", () => {
    const pieces = [[bar(5)], [bar(1), bar(3)], [bar(2), bar(3, 7)], [bar(4), bar(5, 8)]];
    const history = new History();
    for (const piece of pieces) history.apply(piece);
    expect(times(history)).toEqual([1, 2, 3, 4, 5]);
    expect([history.at(3)?.c, history.at(5)?.c]).toEqual([7, 8]);
  });

  it("finds bars by time", () => {
    const history = historyOf(10, 20, 30);
    expect([5, 10, 15, 30, 31].map((t) => history.indexFrom(t))).toEqual([0, 0, 1, 2, 3]);
    expect([history.at(20)?.t, history.at(25), history.at(99)]).toEqual([20, undefined, undefined]);
  });
});

it("mergeBars lets the newer list win", () => {
  expect(mergeBars([bar(1), bar(2, 5)], [bar(2, 6), bar(0)]).map((one) => [one.t, one.c])).toEqual([
    [0, 10],
    [1, 10],
    [2, 6],
  ]);
});
