/**
 * What can go wrong when bars are asked for, in words for whoever looks at the page.
 *
 * What belongs here: kinds of problems, what is said about each, when to ask again. What does not: showing it.
 */

import { isObject } from "./json.js";

export type ProblemKind = "offline" | "unreachable" | "unavailable" | "key" | "unknown" | "refused" | "defect";

export interface Problem {
  readonly kind: ProblemKind;
  readonly title: string;
  readonly detail: string;
  /** Milliseconds after which the service wants to be asked again; null where it did not say. */
  readonly retryAfter: number | null;
}

export class ProblemError extends Error {
  override readonly name = "ProblemError";

  readonly problem: Problem;

  constructor(problem: Problem) {
    super(problem.detail);
    this.problem = problem;
  }
}

const TITLES: Readonly<Record<ProblemKind, string>> = {
  offline: "You are offline",
  unreachable: "The service cannot be reached",
  unavailable: "The service is not ready",
  key: "A key is needed",
  unknown: "There is no such symbol",
  refused: "This cannot be shown",
  defect: "The service has a defect",
};

export function problemOf(kind: ProblemKind, detail: string, retryAfter: number | null = null): Problem {
  return { kind, title: TITLES[kind], detail, retryAfter };
}

/** The problem of a request that got no reply. */
export function unanswered(online: boolean): Problem {
  return online
    ? problemOf("unreachable", "The service gives no reply; it is asked again by itself.")
    : problemOf("offline", "This device has no network; everything goes on when it is back.");
}

/** The problem that a reply tells: RFC 9457 problem details where it has them. */
export function problemOfReply(status: number, body: unknown, retryAfter: string | null): Problem {
  const told = isObject(body) && typeof body["detail"] === "string" ? body["detail"] : null;
  const seconds = Number(retryAfter ?? "");
  const wait = retryAfter !== null && Number.isFinite(seconds) ? seconds * 1000 : null;
  return problemOf(kindOf(status), told ?? `The service answered with status ${status}.`, wait);
}

/** Whether asking again, without anything changed here, may help. */
export function passes(problem: Problem): boolean {
  return problem.kind === "unreachable" || problem.kind === "unavailable" || problem.kind === "offline";
}

function kindOf(status: number): ProblemKind {
  if (status === 401 || status === 403) return "key";
  if (status === 404) return "unknown";
  if (status === 429 || (status > 500 && status < 600)) return "unavailable";
  return status === 500 ? "defect" : "refused";
}
