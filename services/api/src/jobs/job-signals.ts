import type { JobProgress } from "@modulehub/core";
import type { RowNews } from "../database/row-news.ts";

/** What those who watch a job are told within this process, ahead of what the database says. */
export type JobSignal =
  | { kind: "changed" }
  | { kind: "progress"; progress: JobProgress }
  /** Its log has a new line. */
  | { kind: "log" };

export type JobSignals = RowNews<JobSignal>;
