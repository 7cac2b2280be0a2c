import { STATUS_CODES } from "node:http";
import type { Socket } from "node:net";
import { fieldErrors, type ProblemDocument, ProblemError, problem } from "@modulehub/core";
import { PAGE_HEADERS, problemPage } from "@modulehub/web";
import type { FastifyError, FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import { hasZodFastifySchemaValidationErrors } from "fastify-type-provider-zod";
import { isConnectionFailure, isDiskFull } from "../database/query-errors.ts";
import { ModuleMoved, movedAddress } from "../registry/module-moved.ts";
import { wantsPage } from "./accept.ts";
import { pathFault } from "./request-path.ts";
import { visitorOf } from "./visitor.ts";

/** Makes every error leave as a problem document with the request's id; bugs are logged whole, said short. */
export function answerWithProblems(app: FastifyInstance): void {
  app.setErrorHandler((error: unknown, request, reply) => {
    if (error instanceof ModuleMoved)
      return reply
        .code(308)
        .headers({ location: movedAddress(request.url, error.to), "cache-control": "no-store" })
        .send();
    const known = asProblem(error);
    // A client that went away in the middle of its body is no fault of the hub's.
    if (request.raw.destroyed && !request.raw.complete)
      request.log.info({ err: error }, "a request broke off");
    else if (known.status >= 500) request.log.error({ err: error }, known.message);
    return sendProblem(request, reply, known);
  });
  app.setNotFoundHandler((request, reply) =>
    sendProblem(request, reply, pathFault(request.raw) ?? problem("not-found")),
  );
}

/** `Retry-After` where a part is down and nobody said for how long, in seconds. */
const PART_IS_DOWN = 5;

/** Sends one problem document, to a browser as a page. */
export function sendProblem(request: FastifyRequest, reply: FastifyReply, error: ProblemError): FastifyReply {
  reply.removeHeader("etag").removeHeader("content-length").header("cache-control", "no-store");
  const retryAfter = error.retryAfter ?? (error.status === 503 ? PART_IS_DOWN : undefined);
  if (retryAfter !== undefined) reply.header("retry-after", String(retryAfter));
  if (error.status === 401) reply.header("www-authenticate", 'Bearer realm="modulehub"');
  const document = { ...error.toDocument(request.id), ...(retryAfter !== undefined && { retryAfter }) };
  reply.code(error.status);
  if (wantsPage(request))
    return reply
      .headers(PAGE_HEADERS)
      .serializer((page: string) => page)
      .send(problemPage(document, visitorOf(request)));
  return reply
    .type("application/problem+json")
    .serializer((document: ProblemDocument) => JSON.stringify(document))
    .send(document);
}

/** Answers what Node could not read as a request, or not in time, and ends the connection. */
export function answerUnreadable(error: NodeJS.ErrnoException, socket: Socket): void {
  if (error.code === "ECONNRESET" || !socket.writable) {
    socket.destroy();
    return;
  }
  const problemFor =
    error.code === "ERR_HTTP_REQUEST_TIMEOUT"
      ? problem("request-timeout")
      : error.code === "HPE_HEADER_OVERFLOW"
        ? problem("headers-too-large")
        : problem("invalid-request", "This is not HTTP/1.1 as RFC 9112 has it.");
  const body = JSON.stringify(problemFor.toDocument());
  socket.end(
    [
      `HTTP/1.1 ${problemFor.status} ${STATUS_CODES[problemFor.status]}`,
      "Content-Type: application/problem+json",
      `Content-Length: ${Buffer.byteLength(body)}`,
      "Connection: close",
      "",
      body,
    ].join("\r\n"),
  );
}

const placeOf = (part: string): string | number => (/^\d{1,9}$/.test(part) ? Number(part) : part);

/** The catalogue's error for anything that was thrown. */
export function asProblem(error: unknown): ProblemError {
  if (error instanceof ProblemError) return error;
  if (hasZodFastifySchemaValidationErrors(error)) {
    const issues = error.validation.slice(0, 20).map(({ instancePath, message = "does not fit" }) => ({
      path: instancePath.split("/").flatMap((part) => (part === "" ? [] : [placeOf(part)])),
      message,
    }));
    const errors = fieldErrors(issues);
    const first = errors[0] ? ` ${errors[0].path || "It"}: ${errors[0].message}.` : "";
    return problem("invalid-request", `The ${error.validationContext ?? "request"} does not fit.${first}`, {
      errors,
    });
  }
  if (isConnectionFailure(error))
    return problem("database-unavailable", undefined, { retryAfter: 2, cause: error });
  if (isDiskFull(error))
    return problem("database-unavailable", "The disk of the database is full; make room, then try again.", {
      retryAfter: 5,
      cause: error,
    });
  const { code, statusCode } = error as Partial<FastifyError>;
  switch (code) {
    case "FST_ERR_CTP_INVALID_JSON_BODY":
    case "FST_ERR_CTP_EMPTY_JSON_BODY":
      return problem("invalid-json", "The body must be JSON in UTF-8.", { cause: error });
    case "FST_ERR_CTP_BODY_TOO_LARGE":
      return problem("body-too-large", undefined, { cause: error });
    case "FST_ERR_CTP_INVALID_MEDIA_TYPE":
      return problem("unsupported-media-type", "Send application/json.", { cause: error });
  }
  if (error instanceof SyntaxError && statusCode === 400)
    return problem("invalid-json", "The body must be JSON in UTF-8.", { cause: error });
  if (statusCode !== undefined && statusCode >= 400 && statusCode < 500)
    return problem("invalid-request", undefined, { cause: error });
  return problem("internal", undefined, { cause: error });
}
