/**
 * Requests to the service: sent, timed, their problems told.
 *
 * What belongs here: everything between an address and a document. What does not: what documents mean (`core/api`).
 */

import { ProblemError, problemOf, problemOfReply, unanswered } from "../core/problems.js";

export interface Web {
  readonly fetch: (url: string, init: RequestInit) => Promise<Response>;
  readonly online: () => boolean;
}

export const realWeb: Web = {
  fetch: (url, init) => fetch(url, init),
  online: () => navigator.onLine,
};

const TIMEOUT = 35_000; // a little more than the service allows itself

/** Asks one service. */
export class Http {
  /** A key, where the service needs one. */
  key: string | null = null;
  private readonly base: string;
  private readonly web: Web;

  /** @param base address that ends with a slash */
  constructor(base: string, web: Web = realWeb) {
    this.base = base;
    this.web = web;
  }

  /**
   * Get a JSON document.
   *
   * @throws {ProblemError} there is none
   */
  async get(path: string, signal?: AbortSignal): Promise<unknown> {
    return this.ask(path, {}, signal);
  }

  /**
   * Post a JSON document and get the answer.
   *
   * @throws {ProblemError} it was refused
   */
  async post(path: string, document: unknown): Promise<unknown> {
    const headers = { "Content-Type": "application/json" };
    return this.ask(path, { method: "POST", body: JSON.stringify(document), headers });
  }

  private async ask(path: string, init: RequestInit, signal?: AbortSignal): Promise<unknown> {
    const timeout = AbortSignal.timeout(TIMEOUT);
    const headers = new Headers(init.headers);
    headers.set("Accept", "application/json");
    if (this.key !== null) headers.set("X-API-Key", this.key);
    let reply: Response;
    try {
      reply = await this.web.fetch(this.base + path, {
        ...init,
        headers,
        signal: signal === undefined ? timeout : AbortSignal.any([signal, timeout]),
      });
    } catch (error) {
      if (signal?.aborted === true) throw error;
      throw new ProblemError(unanswered(this.web.online()));
    }
    const body = await bodyOf(reply);
    if (!reply.ok) throw new ProblemError(problemOfReply(reply.status, body, reply.headers.get("Retry-After")));
    if (body === undefined) throw new ProblemError(problemOf("defect", "The service answered with no JSON document."));
    return body;
  }
}

async function bodyOf(reply: Response): Promise<unknown> {
  try {
    return (await reply.json()) as unknown;
  } catch {
    return undefined;
  }
}
