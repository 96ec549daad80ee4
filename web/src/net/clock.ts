/** Time and chance, so that tests can have their own. */

export interface Clock {
  readonly random: () => number;
  /** Do something later; what is returned prevents it. */
  readonly later: (milliseconds: number, what: () => void) => () => void;
}

export const realClock: Clock = {
  random: Math.random,
  later: (milliseconds, what) => {
    const timer = setTimeout(what, milliseconds);
    return () => {
      clearTimeout(timer);
    };
  },
};
