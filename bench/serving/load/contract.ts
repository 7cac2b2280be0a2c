/** What the load generator and who drives it say to each other (structured clone over the child's pipe). */

export interface LoadRequest {
  method?: "GET" | "POST" | "PUT";
  origin: string;
  path: string;
  headers: Record<string, string>;
}

export interface LoadJob {
  to: LoadRequest;
  /** Sent in order; from the beginning again while the job isn't over. Empty for requests without a body. */
  bodies: (string | Uint8Array)[];
  pace: Pace;
  /** Bodies of answers are given back. Default: they are read and thrown away. */
  keepAnswers?: boolean;
  /** Milliseconds after which an answer is no longer waited for. Default 60 s. */
  timeoutMs?: number;
}

/**
 * `closed`: so many clients, each asking again when it has its answer, until `requests` are sent or `forMs` are
 * over. `open`: so many a second, whatever becomes of them, for so long, at exponential distances from a fixed seed.
 */
export type Pace =
  | { kind: "closed"; clients: number; requests?: number; forMs?: number; pauseMs?: number }
  | { kind: "open"; perSecond: number; forMs: number };

/** One entry a request, in the order in which they were sent. */
export interface LoadReport {
  /** First request to last answer. */
  wallMs: number;
  /** CPU time of the generator's process meanwhile. */
  cpuMs: number;
  /** When it was due, counted from the job's begin, and how long its answer took from then, in milliseconds. */
  startMs: number[];
  tookMs: number[];
  /** Of HTTP; 0 where there was no answer. */
  status: number[];
  /** The Retry-After header was there. */
  retryAfter: boolean[];
  /** Of those that had no answer, as many sentences as differ. */
  errors: string[];
  answers: Uint8Array[];
}

export type ToGenerator = { id: number; job: LoadJob } | { id: number; stop: true };
export type FromGenerator = { id: number; report: LoadReport };
