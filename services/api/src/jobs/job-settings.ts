/** What an operator may set of jobs. */
export interface JobSettings {
  /** Jobs of one publisher that may be queued or running at once; more are refused. */
  mostUnderWay: number;
  /** Of these, how many run at once, wherever that is. */
  perPublisher: number;
  /** Jobs that run at once by way of this process. */
  here: number;
  /** The most that a job may take, in seconds, not counting what it waits. */
  mostSeconds: number;
  /** How long a job is told of after its end, and its data set kept, in seconds. */
  rememberedSeconds: number;
  /** Milliseconds before a job that was broken off is tried again, and the longest such wait. */
  firstWait: number;
  longestWait: number;
}

export const JOB_SETTINGS: JobSettings = {
  mostUnderWay: 20,
  perPublisher: 1,
  here: 2,
  mostSeconds: 12 * 3_600,
  rememberedSeconds: 30 * 86_400,
  firstWait: 1_000,
  longestWait: 60_000,
};
