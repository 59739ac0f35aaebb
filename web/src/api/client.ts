/**
 * One way to ask this node: JSON in and out, and every failure as a Problem whose text can be shown to a person.
 *
 * The session is a cookie that scripts cannot read; a 401 is told to whoever holds the session, once, here.
 */
import { sentence } from "../words/sentence.ts";
import type { ProblemDetails } from "./types.ts";

export class Problem extends Error {
  readonly status: number;
  readonly correlation: string | null;

  constructor(status: number, detail: string, correlation: string | null = null) {
    super(detail);
    this.name = "Problem";
    this.status = status;
    this.correlation = correlation;
  }
}

const UNREACHABLE = "This node does not answer. Check that it is running and that this device is on its network.";

type Lost = () => void;
let lost: Lost = () => {};

/** Have `handler` told when the node no longer knows this session. */
export function onSessionLost(handler: Lost): void {
  lost = handler;
}

let ahead_ms = 0;

/** The node's clock as last heard, so that elapsed times do not depend on this device's clock. */
export function nodeNow(): number {
  return Date.now() + ahead_ms;
}

function hearClock(response: Response): void {
  const said = Date.parse(response.headers.get("date") ?? "");
  // The header has whole seconds: a difference below that is no difference.
  if (!Number.isNaN(said)) ahead_ms = Math.abs(said - Date.now()) < 1500 ? 0 : said - Date.now();
}

export type Query = Record<string, string | number | boolean | null | undefined>;

/** A path with a query of the values that are set. */
export function withQuery(path: string, query: Query): string {
  const search = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) {
    if (value !== undefined && value !== null && value !== "" && value !== false) search.set(name, String(value));
  }
  const text = search.toString();
  return text ? `${path}?${text}` : path;
}

export interface Asked {
  body?: unknown;
  query?: Query;
  signal?: AbortSignal | undefined;
  /** A 401 is an answer here (sign-in), not the end of a session. */
  quiet?: boolean;
}

/** Ask the node; the JSON of its answer, or undefined where it has none. Throws Problem. */
export async function ask<T>(method: string, path: string, asked: Asked = {}): Promise<T> {
  const headers: Record<string, string> = { Accept: "application/json" };
  if (asked.body !== undefined) headers["Content-Type"] = "application/json";
  let response: Response;
  try {
    response = await fetch(withQuery(path, asked.query ?? {}), {
      method,
      headers,
      credentials: "same-origin",
      signal: asked.signal ?? null,
      ...(asked.body === undefined ? {} : { body: JSON.stringify(asked.body) }),
    });
  } catch (error) {
    if (asked.signal?.aborted) throw error;
    throw new Problem(0, UNREACHABLE);
  }
  hearClock(response);
  if (!response.ok) {
    const problem = await problemOf(response);
    if (problem.status === 401 && !asked.quiet) lost();
    throw problem;
  }
  if (response.status === 204) return undefined as T;
  return (await response.json()) as T;
}

/** The Problem an answer tells, in the node's own words where it has some. */
export async function problemOf(response: Response): Promise<Problem> {
  return problemFrom(response.status, await response.text().catch(() => ""));
}

/** The Problem in a body that should be problem details. */
export function problemFrom(status: number, text: string): Problem {
  let details: Partial<ProblemDetails> = {};
  try {
    const parsed: unknown = JSON.parse(text);
    if (parsed !== null && typeof parsed === "object") details = parsed;
  } catch {
    // A proxy's error page, or nothing at all: the status has to do.
  }
  const told = typeof details.detail === "string" && details.detail ? details.detail : inWords(status, details.title);
  return new Problem(status, sentence(told), details.correlation_id ?? null);
}

function inWords(status: number, title?: string): string {
  if (status === 0) return UNREACHABLE;
  if (status === 403) return "Your role does not allow this; ask an admin of this mesh";
  if (status === 404) return "This is not here any more";
  if (status === 413) return "This is larger than the node takes";
  if (status === 503) return "The node cannot do this now; try again in a moment";
  if (status === 507) return "The disk is full; free some space, or add a node";
  return title ? `The node answered: ${title} (${status})` : `The node answered with status ${status}`;
}

/** What to show of any error. */
export function told(error: unknown): string {
  if (error instanceof Problem) return error.message;
  return error instanceof Error ? sentence(error.message) : "Something went wrong in this page; load it again.";
}
