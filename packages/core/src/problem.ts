/**
 * The catalogue of errors. A handler names a code and says what is wrong; status and title come from here.
 * Errors leave the services as RFC 9457 problem documents. Codes are stable: clients branch on them.
 */
export const PROBLEMS = {
  // The caller's fault: the request.
  "invalid-request": { status: 400, title: "The request does not fit its schema." },
  "invalid-path": { status: 400, title: "The path has a part that no module or file can have." },
  "invalid-handle": {
    status: 400,
    title: "This is not a module handle: publisher/name, then /3, @alias or @sha256:…",
  },
  "invalid-name": {
    status: 400,
    title: "This name is not allowed; see the naming rules in docs/handles.md.",
  },
  "invalid-json": { status: 400, title: "The body is not valid JSON." },
  unauthenticated: { status: 401, title: "A valid token is needed: send it as Authorization: Bearer …" },
  forbidden: { status: 403, title: "This token may not do that." },
  "not-found": { status: 404, title: "There is nothing at this address." },
  "module-not-found": { status: 404, title: "There is no such module, or this token may not see it." },
  "version-not-found": { status: 404, title: "The module has no such version; list them at …/versions." },
  "alias-not-found": { status: 404, title: "The module has no such alias; list them at …/aliases." },
  "documentation-not-found": {
    status: 404,
    title: "The documentation has no such revision; list them at …/documentation/revisions.",
  },
  "file-not-found": {
    status: 404,
    title: "The version has no such file; list them at …/versions/{version}.",
  },
  "revision-not-found": {
    status: 404,
    title: "No version of the module has this revision; list the head's commits at …/head/commits.",
  },
  "blob-not-found": { status: 404, title: "There is no blob with this digest here." },
  "draft-not-found": { status: 404, title: "There is no such draft, or this token may not see it." },
  "upload-not-found": { status: 404, title: "There is no such upload, or this token may not see it." },
  "job-not-found": { status: 404, title: "There is no such job, or this token may not see it." },
  "account-not-found": { status: 404, title: "There is no such account." },
  "member-not-found": { status: 404, title: "The account is no member of this publisher." },
  "token-not-found": { status: 404, title: "There is no such token, or it belongs to another account." },
  "method-not-allowed": { status: 405, title: "This address does not take that method." },
  "request-timeout": { status: 408, title: "The request did not come in time; send it faster." },
  "name-taken": { status: 409, title: "The name is taken; names differ by more than case." },
  "last-owner": {
    status: 409,
    title: "A publisher keeps at least one owner; make another account an owner first.",
  },
  "publisher-not-empty": { status: 409, title: "The publisher has modules; delete these first." },
  "version-exists": {
    status: 409,
    title: "This version exists with other content; publish under the next number.",
  },
  "version-in-use": {
    status: 409,
    title: "Aliases stand for this version; move them, or delete it with ?force=true, which takes them away.",
  },
  "documentation-conflict": {
    status: 409,
    title: "The documentation was edited meanwhile; read it again and send the change based on that.",
  },
  "head-conflict": {
    status: 409,
    title: "The head has moved on; read it again and send the commit based on that.",
  },
  "draft-state": { status: 409, title: "The draft is in a state that does not allow this." },
  "blobs-missing": { status: 409, title: "Files have not been uploaded yet; send those that are named." },
  "upload-state": { status: 409, title: "The upload is in a state that does not allow this." },
  "upload-incomplete": { status: 409, title: "Parts of the upload are missing." },
  gone: { status: 410, title: "This was deleted; its name and numbers are never used again." },
  "precondition-failed": { status: 412, title: "This was changed meanwhile; read it again, then decide." },
  "body-too-large": { status: 413, title: "The body is larger than this endpoint takes." },
  "quota-exceeded": {
    status: 413,
    title: "The publisher may not keep so many bytes; delete versions, or ask the admin for more.",
  },
  "unsupported-media-type": { status: 415, title: "This endpoint does not take that content type." },
  "range-not-satisfiable": { status: 416, title: "The range lies outside the file." },
  "not-documentation": {
    status: 422,
    title: "This file is part of the version's digest and can't be edited; publish another version.",
  },
  "documentation-too-large": {
    status: 422,
    title: "The documentation has too many files or bytes.",
  },
  "digest-mismatch": {
    status: 422,
    title: "The bytes do not have the digest that was promised; send them again.",
  },
  "size-mismatch": {
    status: 422,
    title: "The bytes do not have the length that was promised; send them again.",
  },
  "too-many-requests": { status: 429, title: "Too much is queued; try again after the time in Retry-After." },
  "too-many-jobs": {
    status: 429,
    title: "The publisher has as many jobs under way as it may; wait for one, or cancel one.",
  },
  "headers-too-large": { status: 431, title: "The request's headers are too large." },

  // The caller's fault: inputs of an inference.
  "tensor-invalid": { status: 422, title: "An input tensor does not fit the signature." },
  "input-missing": { status: 422, title: "An input that the signature names is missing." },
  "input-unknown": { status: 422, title: "The signature has no input of this name." },
  "output-unknown": { status: 422, title: "The signature has no output of this name." },
  "signature-unknown": { status: 422, title: "The module has no signature of this name." },
  "task-mismatch": { status: 422, title: "The module's task does not offer this operation; use infer." },
  "image-invalid": {
    status: 422,
    title: "This is not an image that can be decoded; send JPEG, PNG or WebP.",
  },
  "image-too-large": { status: 422, title: "The image has too many pixels; make it smaller." },
  "text-too-long": { status: 422, title: "A text is longer than the module takes; shorten or split it." },
  "answer-too-large": {
    status: 422,
    title:
      "The outputs are too large for JSON; name fewer outputs, send fewer items, or use the binary form.",
  },
  "run-failed": { status: 422, title: "ONNX Runtime could not run the module on these inputs." },

  // The caller's fault: a data set to train on or to evaluate with.
  "data-format": {
    status: 422,
    title: "This is no data set: give a folder or archive with a folder per class, CSV, TSV or JSONL.",
  },
  "data-corrupt": { status: 422, title: "The data set is damaged or cut off; make or download it again." },
  "data-empty": { status: 422, title: "The data set holds no examples." },
  "data-too-large": { status: 422, title: "The data set is larger than is taken, packed or unpacked." },
  "data-archive-unsafe": {
    status: 422,
    title: "The archive holds something other than files and folders inside itself; pack it again without.",
  },
  "data-layout": {
    status: 422,
    title: "The folders are not one per class, optionally below train, validation and test.",
  },
  "data-file-unknown": {
    status: 422,
    title: "A class holds a file that is neither a text (.txt) nor an image (.jpg, .png, .webp).",
  },
  "data-mixed": { status: 422, title: "Texts and images are mixed; make a data set of each." },
  "data-column-missing": { status: 422, title: "The table has no column of this name." },
  "data-row-invalid": { status: 422, title: "A row of the table can't be read." },
  "data-encoding": {
    status: 422,
    title: "A text is not UTF-8, or holds NUL; convert it, or have such examples left out.",
  },
  "data-text-too-long": { status: 422, title: "A text of the data set is longer than is taken; shorten it." },
  "data-image-invalid": {
    status: 422,
    title: "A file of the data set is not a JPEG, PNG or WebP image of a size that is taken.",
  },
  "data-label-invalid": {
    status: 422,
    title: "An example has no label, or one that does not fit the target.",
  },
  "data-label-unknown": { status: 422, title: "The data set has a label that the module does not know." },
  "data-split-invalid": {
    status: 422,
    title:
      "An example is in a split other than train, validation and test, or in none beside others that are.",
  },
  "data-test-missing": {
    status: 422,
    title: "An accuracy is required and the data set has no test split that it could be measured on.",
  },
  "data-one-class": { status: 422, title: "There must be examples of at least two classes." },
  "data-too-many-classes": {
    status: 422,
    title: "There are more classes than a head can have; is this the column of the labels?",
  },
  "data-class-empty": { status: 422, title: "A class has no examples to train on; add some or take it out." },
  "data-classes-differ": {
    status: 422,
    title: "The test or validation split has classes that train lacks; take them out or train on them.",
  },

  // The module's fault: a draft is rejected with these.
  "manifest-missing": { status: 422, title: "The module has no module.json at its root." },
  "manifest-invalid": { status: 422, title: "module.json does not fit the schema of manifests." },
  "manifest-mismatch": { status: 422, title: "module.json does not fit the graph." },
  "file-empty": { status: 422, title: "A file is empty." },
  "not-onnx": { status: 422, title: "The graph file is not an ONNX model." },
  "git-lfs-pointer": {
    status: 422,
    title: "The file is a Git LFS pointer, not the model; run git lfs pull and publish again.",
  },
  "html-instead-of-model": {
    status: 422,
    title: "The file is an HTML page, not the model; the download went wrong.",
  },
  "graph-invalid": { status: 422, title: "The graph breaks a rule of ONNX." },
  "graph-too-complex": { status: 422, title: "The graph is nested too deeply or has too many nodes." },
  "operator-unsupported": { status: 422, title: "The graph uses an operator that ONNX Runtime lacks." },
  "dtype-unsupported": { status: 422, title: "An input or output has a type that can't be served." },
  "external-data-missing": {
    status: 422,
    title: "A file of external data is not part of the module; add it.",
  },
  "external-data-invalid": {
    status: 422,
    title: "External data must lie in a file of the module, at offsets inside it.",
  },
  "gradient-missing": {
    status: 422,
    title: "An operator between trained weights and the output has no gradient rule; train the head alone.",
  },
  "trainable-missing": {
    status: 422,
    title: "The base has no weights that can be trained; train the head alone.",
  },
  "training-diverged": {
    status: 422,
    title: "Training came to numbers that are not finite; try a smaller learning rate.",
  },
  "base-unavailable": {
    status: 422,
    title: "A module that the job needs was deleted, or may not be read any more by whoever started it.",
  },
  "data-set-missing": {
    status: 422,
    title: "The publisher has no bytes of this digest; upload the data set first.",
  },
  "accuracy-too-low": { status: 422, title: "The accuracy is lower than the job requires." },
  "job-timeout": { status: 422, title: "The job took longer than jobs may; give it less to do." },
  "job-memory": { status: 422, title: "The job took more memory than jobs may; give it less to do." },
  "checkpoint-invalid": { status: 422, title: "The checkpoint is damaged or of another run; start anew." },
  "asset-invalid": { status: 422, title: "A file that a step refers to can't be used." },
  "session-failed": { status: 422, title: "ONNX Runtime could not open the model." },
  "example-failed": { status: 422, title: "An example of module.json could not be run." },
  "inspection-timeout": {
    status: 422,
    title: "The module took longer to load or run than inspection allows.",
  },
  "inspection-memory": { status: 422, title: "The module took more memory than inspection allows." },
  "inspection-crashed": { status: 422, title: "The module aborted the process that loaded it." },

  // The world's fault.
  internal: { status: 500, title: "Something went wrong in the hub; the request id finds it in the log." },
  "job-crashed": { status: 500, title: "The process that did the job died again and again." },
  "module-crashed": { status: 500, title: "The module crashed the engine on this input." },
  "store-unavailable": { status: 503, title: "The blob store can't be reached; try again later." },
  "database-unavailable": { status: 503, title: "The database can't be reached; try again later." },
  "worker-unavailable": { status: 503, title: "No worker can be reached; try again later." },
  "shutting-down": { status: 503, title: "The service is shutting down; try again." },
  "out-of-memory": { status: 503, title: "The worker has no memory left for this module; try again later." },
  "module-quarantined": {
    status: 503,
    title: "The module keeps crashing its engine and is held back for a while.",
  },
  "deadline-exceeded": { status: 504, title: "The module did not answer in time." },
} as const satisfies Record<string, { status: number; title: string }>;

/** A stable code of the catalogue. */
export type ProblemCode = keyof typeof PROBLEMS;

/** Every code there is. */
export const PROBLEM_CODES = Object.keys(PROBLEMS) as [ProblemCode, ...ProblemCode[]];

/** Where in the request a fault lies: `path` as in `inputs.text[3]`. */
export interface FieldError {
  path: string;
  message: string;
}

/** An RFC 9457 problem document (`application/problem+json`). */
export interface ProblemDocument {
  type: string;
  title: string;
  status: number;
  code: ProblemCode;
  detail?: string;
  requestId?: string;
  errors?: FieldError[];
  /** Seconds; also sent as `Retry-After`. */
  retryAfter?: number;
}

/** What a problem may carry besides its code and detail. */
export interface ProblemOptions {
  errors?: FieldError[];
  /** Seconds after which it is worth trying again. */
  retryAfter?: number;
  /** The id of the request that a service answered with this problem. */
  requestId?: string;
  cause?: unknown;
}

/** An error with a code of the catalogue. `message` is the detail: what is wrong with this very request. */
export class ProblemError extends Error {
  readonly code: ProblemCode;
  readonly status: number;
  readonly errors: FieldError[] | undefined;
  readonly retryAfter: number | undefined;
  readonly requestId: string | undefined;

  constructor(code: ProblemCode, detail?: string, options: ProblemOptions = {}) {
    super(detail ?? PROBLEMS[code].title, { cause: options.cause });
    this.name = "ProblemError";
    this.code = code;
    this.status = PROBLEMS[code].status;
    this.errors = options.errors;
    this.retryAfter = options.retryAfter;
    this.requestId = options.requestId;
  }

  /** The document as it goes over the wire. */
  toDocument(requestId: string | undefined = this.requestId): ProblemDocument {
    const { title, status } = PROBLEMS[this.code];
    return {
      type: `urn:modulehub:problem:${this.code}`,
      title,
      status,
      code: this.code,
      ...(this.message !== title && { detail: this.message }),
      ...(requestId !== undefined && { requestId }),
      ...(this.errors && { errors: this.errors }),
      ...(this.retryAfter !== undefined && { retryAfter: this.retryAfter }),
    };
  }

  /** The error that a document stands for; an unknown code of a newer service becomes `internal`. */
  static fromDocument(document: ProblemDocument): ProblemError {
    const code = Object.hasOwn(PROBLEMS, document.code) ? document.code : "internal";
    return new ProblemError(code, document.detail ?? document.title, {
      errors: document.errors,
      retryAfter: document.retryAfter,
      requestId: document.requestId,
    });
  }
}

/** Shorthand for `new ProblemError`, so that it reads as `throw problem("gone")`. */
export function problem(code: ProblemCode, detail?: string, options?: ProblemOptions): ProblemError {
  return new ProblemError(code, detail, options);
}
