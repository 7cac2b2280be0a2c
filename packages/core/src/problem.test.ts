import { expect, test } from "vitest";
import { PROBLEM_CODES, PROBLEMS, ProblemError, problem } from "./problem.ts";
import { problemDocumentSchema } from "./problem-document.ts";
import { inspectResponseSchema } from "./worker-contract.ts";

test("every code is lower case with dashes, has a 4xx or 5xx status and a sentence", () => {
  for (const code of PROBLEM_CODES) {
    expect(code).toMatch(/^[a-z]+(-[a-z]+)*$/);
    expect(PROBLEMS[code].status).toBeGreaterThanOrEqual(400);
    expect(PROBLEMS[code].status).toBeLessThan(600);
    expect(PROBLEMS[code].title).toMatch(/^(module\.json|[A-Z])/);
  }
});

test("a problem is an RFC 9457 document, and its detail is what is wrong with this request", () => {
  const error = problem("tensor-invalid", "inputs.x is ragged.", {
    errors: [{ path: "inputs.x", message: "is ragged" }],
  });
  expect(error).toBeInstanceOf(Error);
  expect(error.toDocument("r1")).toEqual({
    type: "urn:modulehub:problem:tensor-invalid",
    title: "An input tensor does not fit the signature.",
    status: 422,
    code: "tensor-invalid",
    detail: "inputs.x is ragged.",
    requestId: "r1",
    errors: [{ path: "inputs.x", message: "is ragged" }],
  });
  expect(problem("gone").toDocument()).not.toHaveProperty("detail");
});

test("a problem goes over the wire and comes back the same", () => {
  const error = problem("too-many-requests", "128 requests are queued.", { retryAfter: 2 });
  const document = problemDocumentSchema.parse(JSON.parse(JSON.stringify(error.toDocument())));
  const back = ProblemError.fromDocument(document);
  expect(back.toDocument()).toEqual(error.toDocument());
  expect(back.status).toBe(429);
});

test.each(["of-a-newer-hub", "constructor", "__proto__"])("the unknown code %s becomes internal", (code) => {
  const document = problemDocumentSchema.parse({ type: "x", title: "Something new.", status: 418, code });
  expect(ProblemError.fromDocument(document)).toMatchObject({ code: "internal", message: "Something new." });
  const unchecked = JSON.parse(JSON.stringify({ type: "x", title: "Something new.", status: 418, code }));
  expect(ProblemError.fromDocument(unchecked).code).toBe("internal");
});

test("an inspection's answer is a report or the problems it found, and nothing else", () => {
  const document = problem("not-onnx").toDocument();
  expect(inspectResponseSchema.parse({ outcome: "rejected", problems: [document] })).toEqual({
    outcome: "rejected",
    problems: [document],
  });
  for (const answer of [{}, { outcome: "accepted" }, { outcome: "rejected", problems: [{}] }, null])
    expect(inspectResponseSchema.safeParse(answer).success).toBe(false);
});
