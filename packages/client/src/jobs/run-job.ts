import {
  type DataReport,
  type Digest,
  type JobKind,
  type JobRequestInput,
  ProblemError,
} from "@modulehub/core";
import { createJob } from "../operations/create-job.ts";
import { withPublisher } from "../operations/with-publisher.ts";
import { hashFile } from "../publish/source-file.ts";
import { upload } from "../publish/upload.ts";
import { eventsOf } from "../tasks/event-channel.ts";
import { paced } from "../tasks/paced.ts";
import { Slots } from "../tasks/slots.ts";
import type { Transport } from "../transport.ts";
import { type DataFile, dataFile, type ReadingOptions, readingOf, reportOf } from "./data-file.ts";
import type { RunEvent } from "./event.ts";
import { watchJob } from "./watch-job.ts";

/** What every job on data of this machine takes besides what it is about. */
export interface RunOptions {
  /** Whose job it is: its writers see it, and the bytes of the data set are kept for it. */
  publisher: string;
  reading?: ReadingOptions;
  /** Makes the publisher where there is none and the token may. */
  createPublisher?: boolean;
  /** Ends what is done here. A job that is there already goes on. */
  signal?: AbortSignal;
}

/** Parts on their way at once. */
const PARTS_AT_ONCE = 4;

/**
 * Reads a data set on this machine, sends it where the hub lacks it, has a job made, and tells how far all of that is
 * until the job has ended. Throws as Hub says, LocalFileError, and the problems of the data set before anything is
 * sent. Stopping to read the events leaves a job that was created alone.
 */
export async function* runJob(
  transport: Transport,
  path: string,
  options: RunOptions & {
    purpose?: JobKind;
    /** What else than the data's problems stands in the way, by what is in it. */
    refuse?: (report: DataReport) => ProblemError | undefined;
  },
  requestFor: (dataSet: JobRequestInput["dataSet"]) => JobRequestInput,
): AsyncGenerator<RunEvent, void> {
  yield* eventsOf<RunEvent>(options.signal, async (push, signal) => {
    const reading = await readingOf(path, options.reading);
    const report = await reportOf(path, reading, { purpose: options.purpose, signal });
    push({ kind: "report", report });
    const [first] = report.problems;
    if (first) throw ProblemError.fromDocument(first);
    const refusal = options.refuse?.(report);
    if (refusal) throw refusal;
    await using data = await packed(path, push, signal);
    const digest = await hashed(data, push, signal);
    const create = () => createJob(transport, requestFor({ digest, name: data.name, reading }), signal);
    const createWithPublisher = () =>
      options.createPublisher ? withPublisher(transport, options.publisher, create) : create();
    const job = await createWithPublisher().catch(async (error: unknown) => {
      // All else that can be refused was looked at by then; now the bytes are worth sending.
      if (!(error instanceof ProblemError) || error.code !== "data-set-missing") throw error;
      await sent({ transport, publisher: options.publisher, data, digest, push, signal });
      return create();
    });
    push({ kind: "created", job });
    for await (const event of watchJob(transport, job.id, signal)) push(event);
  });
}

type Push = (event: RunEvent) => void;

function packed(path: string, push: Push, signal: AbortSignal): Promise<DataFile> {
  const report = paced(push);
  return dataFile(path, (packedBytes) => report({ kind: "packing", packedBytes }, false), signal);
}

function hashed({ source }: DataFile, push: Push, signal: AbortSignal): Promise<Digest> {
  const report = paced(push);
  let hashedBytes = 0;
  const onBytes = (bytes: number) => {
    hashedBytes += bytes;
    report({ kind: "hashing", hashedBytes, totalBytes: source.size }, hashedBytes === source.size);
  };
  return hashFile(source, onBytes, signal);
}

async function sent(job: {
  transport: Transport;
  publisher: string;
  data: DataFile;
  digest: Digest;
  push: Push;
  signal: AbortSignal;
}): Promise<void> {
  const { source } = job.data;
  const report = paced(job.push);
  const onSent = (sentBytes: number) =>
    report({ kind: "sending", sentBytes, totalBytes: source.size }, sentBytes === source.size);
  await upload({ ...job, source, slots: new Slots(PARTS_AT_ONCE), onSent });
}
