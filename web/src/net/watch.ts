/**
 * Asking for the same again and again: while somebody looks, later and later where nobody answers.
 *
 * What belongs here: when to ask. What does not: what is asked (`Watch` is told), what is made of it.
 */

import { backoff } from "../core/backoff.js";
import { ProblemError, problemOf, type Problem } from "../core/problems.js";
import type { Clock } from "./clock.js";

export interface Events<T> {
  readonly ask: () => Promise<T>;
  /** Milliseconds until to ask again after an answer. */
  readonly pause: (found: T) => number;
  readonly onAnswer: (found: T) => void;
  readonly onProblem: (problem: Problem) => void;
}

export class Watch<T> {
  private readonly clock: Clock;
  private readonly events: Events<T>;
  private failures = 0;
  private asked = 0;
  private stop: () => void = () => undefined;

  constructor(clock: Clock, events: Events<T>) {
    this.clock = clock;
    this.events = events;
  }

  /** Ask now, whatever was to come; an answer to an earlier question counts no more. */
  async now(): Promise<void> {
    this.stop();
    this.asked += 1;
    const mine = this.asked;
    try {
      const found = await this.events.ask();
      if (mine !== this.asked) return;
      this.failures = 0;
      this.later(this.events.pause(found));
      this.events.onAnswer(found);
    } catch (error) {
      if (mine !== this.asked) return;
      const problem = error instanceof ProblemError ? error.problem : unexpected();
      this.failures += 1;
      this.later(backoff(this.failures, this.clock.random(), problem.retryAfter));
      this.events.onProblem(problem);
    }
  }

  /** Ask no more until `now`. */
  rest(): void {
    this.asked += 1;
    this.stop();
  }

  private later(milliseconds: number): void {
    this.stop = this.clock.later(milliseconds, () => void this.now());
  }
}

function unexpected(): Problem {
  return problemOf("defect", "The service's answer is not what this page expects; a newer page may be needed.");
}
