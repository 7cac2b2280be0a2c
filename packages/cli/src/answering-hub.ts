import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { PROBLEMS, type ProblemCode } from "@modulehub/core";

/** What is answered: JSON, a refusal by its code, text, or nothing (204). */
export type Answer = object | ProblemCode | undefined;

/**
 * A hub for tests of commands: answers what a table says for `METHOD path?query body`, refuses everything else, and
 * keeps what it was asked.
 */
export class AnsweringHub {
  readonly asked: string[] = [];
  readonly tokens: (string | undefined)[] = [];
  url = "";
  readonly #server: Server;

  private constructor(answers: Readonly<Record<string, Answer>>) {
    this.#server = createServer(async (request, response) => {
      let body = "";
      for await (const chunk of request) body += chunk;
      const line = `${request.method} ${request.url} ${body}`.trimEnd();
      this.asked.push(line);
      this.tokens.push(request.headers.authorization?.replace(/^Bearer /, ""));
      const answer = Object.hasOwn(answers, line) ? answers[line] : "not-found";
      if (answer === undefined) return response.writeHead(204).end();
      if (answer instanceof Uint8Array) return response.writeHead(200).end(answer);
      if (typeof answer === "object")
        return response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify(answer));
      const { status, title } = PROBLEMS[answer];
      response.writeHead(status, { "content-type": "application/problem+json" });
      return response.end(JSON.stringify({ type: "about:blank", title, status, code: answer }));
    });
  }

  static async start(answers: Readonly<Record<string, Answer>>): Promise<AnsweringHub> {
    const hub = new AnsweringHub(answers);
    await new Promise<void>((resolve) => hub.#server.listen(0, "127.0.0.1", resolve));
    hub.url = `http://127.0.0.1:${(hub.#server.address() as AddressInfo).port}`;
    return hub;
  }

  /** Forgets what it was asked. */
  forget(): void {
    this.asked.length = 0;
    this.tokens.length = 0;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}
