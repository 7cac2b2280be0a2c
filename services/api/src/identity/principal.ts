import { createHash, timingSafeEqual } from "node:crypto";
import { type Action, problem, type Visibility } from "@modulehub/core";
import { may, type Who } from "./permissions.ts";

/** Who asks. */
export interface Principal {
  who: Who;
  /** Opaque name for fairness between callers; never a token. */
  caller: string;
}

export const ANONYMOUS: Principal = { who: "everyone", caller: "anonymous" };

/** Tells who sends an `Authorization` header. */
export interface Identity {
  /** Throws `unauthenticated` for a header that holds no valid token; without one, everyone. */
  authenticate(authorization: string | undefined): Principal;
}

/** Identity by the two tokens of an embedded hub. Only hashes are kept, and compared in constant time. */
export function createIdentity(tokens: { admin: string; worker: string | undefined }): Identity {
  const known: { hash: Buffer; principal: Principal }[] = [
    { hash: sha256(tokens.admin), principal: { who: "admin", caller: "admin" } },
  ];
  if (tokens.worker !== undefined)
    known.push({ hash: sha256(tokens.worker), principal: { who: "worker", caller: "worker" } });
  return {
    authenticate(authorization) {
      if (authorization === undefined) return ANONYMOUS;
      const token = /^Bearer ([\w.~+/=-]{1,512})$/i.exec(authorization)?.[1];
      if (token === undefined)
        throw problem("unauthenticated", "The Authorization header must be: Bearer, a space, and the token.");
      const hash = sha256(token);
      const match = known.filter((candidate) => timingSafeEqual(candidate.hash, hash)).at(0);
      if (match === undefined) throw problem("unauthenticated", "This token is not known here.");
      return match.principal;
    },
  };
}

/**
 * Refuses an action that this principal may not do to anything: before anything is looked up, so that the
 * answer says nothing about what exists.
 */
export function authorizeAtAll(principal: Principal, action: Action): void {
  if (may(principal.who, action, "public") || may(principal.who, action, "private")) return;
  if (principal.who === "everyone")
    throw problem("unauthenticated", `A token that may do ${action} is needed.`);
  throw problem("forbidden", `This token may not do ${action}.`);
}

/** Whether a principal may do an action on something of this visibility. */
export const allows = (principal: Principal, action: Action, visibility: Visibility): boolean =>
  may(principal.who, action, visibility);

const sha256 = (text: string): Buffer => createHash("sha256").update(text).digest();
