import { S3Client, type S3ClientConfig, UploadPartCommand } from "@aws-sdk/client-s3";
import { getSignedUrl } from "@aws-sdk/s3-request-presigner";
import type { Part, StoreUpload } from "./blob-store.ts";
import { objectOf } from "./s3-keys.ts";

/** Where a bucket is, and who asks for it. */
export interface S3Settings {
  /** The server; without it AWS's own of the region. */
  endpoint?: string | undefined;
  /** The server as clients of the hub reach it, for the addresses of parts. Default: `endpoint`. */
  publicEndpoint?: string | undefined;
  region: string;
  bucket: string;
  /** Without it the SDK looks for credentials as AWS's tools do: a role of the machine, a file. */
  credentials?: { accessKeyId: string; secretAccessKey: string } | undefined;
  /** `https://server/bucket/key` instead of `https://bucket.server/key`. */
  pathStyle: boolean;
  /** How long a call may wait for its answer, in milliseconds. Default 15 s. */
  answerWithin?: number;
  /** How long an address of a part can be used, in seconds. Default six hours. */
  partUrlLife?: number;
}

/** The connections to one bucket. */
export interface S3Connection {
  bucket: string;
  /** How long a call waits for its answer unless it says otherwise, in milliseconds. */
  answerWithin: number;
  /** For what is answered at once. */
  calls: S3Client;
  /** For bytes: connections that are open as long as their reader takes, without a limit on their number. */
  reads: S3Client;
  /** Addresses of parts, each good for its part's number of bytes only. */
  partUrls(upload: StoreUpload, parts: readonly Part[]): Promise<string[]>;
  close(): void;
}

/** How long the address of a part can be used, in seconds: what one part takes on a bad line, and much more. */
const PART_URL_LIFE = 6 * 3_600;

/** Milliseconds until a server that doesn't answer counts as down. */
const CONNECT = 2_000;
const ANSWER = 15_000;
/** Tries of a call in all, with growing pauses. */
const ATTEMPTS = 3;

/** Connects to a bucket; nothing is sent before it is needed. */
export function connectS3(settings: S3Settings): S3Connection {
  const { endpoint, publicEndpoint = endpoint, bucket, answerWithin = ANSWER } = settings;
  const base: S3ClientConfig = {
    region: settings.region,
    forcePathStyle: settings.pathStyle,
    ...(settings.credentials !== undefined && { credentials: settings.credentials }),
    maxAttempts: ATTEMPTS,
    // By default the SDK adds a CRC32, in addresses for others even that of no bytes; not all servers know it.
    requestChecksumCalculation: "WHEN_REQUIRED",
    responseChecksumValidation: "WHEN_REQUIRED",
  };
  const client = (address: string | undefined, maxSockets: number) =>
    new S3Client({
      ...base,
      ...(address !== undefined && { endpoint: address }),
      requestHandler: {
        connectionTimeout: CONNECT,
        requestTimeout: answerWithin,
        throwOnRequestTimeout: true,
        httpAgent: { keepAlive: true, maxSockets },
        httpsAgent: { keepAlive: true, maxSockets },
      },
    });
  const calls = client(endpoint, 128);
  const reads = client(endpoint, Number.POSITIVE_INFINITY);
  const signer = client(publicEndpoint, 1);
  return {
    bucket,
    answerWithin,
    calls,
    reads,
    partUrls: ({ key, handle }, parts) => {
      // The SDK learns from the server's answers how far the clocks are apart.
      const signingDate = new Date(Date.now() + calls.config.systemClockOffset);
      return Promise.all(
        parts.map(({ number, size }) =>
          getSignedUrl(
            signer,
            new UploadPartCommand({
              Bucket: bucket,
              Key: objectOf(key),
              UploadId: handle,
              PartNumber: number,
              ContentLength: size,
            }),
            {
              expiresIn: settings.partUrlLife ?? PART_URL_LIFE,
              signingDate,
              // In the query, where the SDK would move it, the length would bind nobody.
              unhoistableHeaders: new Set(["content-length"]),
              signableHeaders: new Set(["content-length", "host"]),
            },
          ),
        ),
      );
    },
    close() {
      for (const each of [calls, reads, signer]) each.destroy();
    },
  };
}
