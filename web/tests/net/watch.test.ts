import { describe, expect, it } from "vitest";

import type { Problem } from "../../src/core/problems.js";
import { ProblemError, problemOf } from "../../src/core/problems.js";
import { Watch } from "../../src/net/watch.js";
import { TestClock } from "../made.js";

class Asked {
  readonly clock = new TestClock();
  readonly answers: number[] = [];
  readonly problems: Problem[] = [];
  asked = 0;
  reply: () => Promise<number> = () => Promise.resolve(this.asked);

  readonly watch = new Watch<number>(this.clock, {
    ask: () => {
      this.asked += 1;
      return this.reply();
    },
    pause: () => 1_000,
    onAnswer: (found) => this.answers.push(found),
    onProblem: (problem) => this.problems.push(problem),
  });
}

describe("asking again and again", () => {
  it("waits after each answer", async () => {
    const one = new Asked();
    await one.watch.now();
    await one.clock.pass(999);
    expect(one.answers).toEqual([1]);
    await one.clock.pass(1);
    expect(one.answers).toEqual([1, 2]);
  });

  it("waits longer where nobody answers, and as long as the service says", async () => {
    const one = new Asked();
    one.reply = () => Promise.reject(new ProblemError(problemOf("unavailable", "Busy.", 7_000)));
    await one.watch.now();
    expect(one.problems).toMatchObject([{ kind: "unavailable", detail: "Busy." }]);
    await one.clock.pass(6_999);
    expect(one.asked).toBe(1);
    one.reply = () => Promise.resolve(5);
    await one.clock.pass(1);
    expect(one.answers).toEqual([5]);
  });

  it("tells of answers that cannot be read", async () => {
    const one = new Asked();
    one.reply = () => Promise.reject(new TypeError("no number"));
    await one.watch.now();
    expect(one.problems).toMatchObject([{ kind: "defect" }]);
  });

  it("takes no notice of an answer to an earlier question", async () => {
    const one = new Asked();
    const replies: ((found: number) => void)[] = [];
    const refusals: ((error: Error) => void)[] = [];
    one.reply = () =>
      new Promise((resolve, reject) => {
        replies.push(resolve);
        refusals.push(reject);
      });
    const asked = [one.watch.now(), one.watch.now(), one.watch.now()];
    replies[0]?.(1);
    refusals[1]?.(new Error("late"));
    replies[2]?.(3);
    await Promise.all(asked);
    expect([one.answers, one.problems]).toEqual([[3], []]);
  });

  it("rests until told otherwise", async () => {
    const one = new Asked();
    one.watch.rest();
    await one.watch.now();
    one.watch.rest();
    await one.clock.pass(60_000);
    expect(one.asked).toBe(1);
  });
});
