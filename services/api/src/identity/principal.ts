import { type Action, type MemberRole, problem, type Role, type Visibility } from "@modulehub/core";
import { isAtLeast, may, PERMISSIONS, type Who } from "./permissions.ts";

/** Who asks. */
export interface Principal {
  who: "everyone" | "account" | "admin" | "worker";
  /** Absent of whoever sent no token, and of workers. */
  account?: string;
  /** The id of the token or session, where it has one: the token in the admin's file has none. */
  tokenId?: string;
  /** What the token is capped at. */
  cap: Role;
  /** The publisher that the token is limited to. */
  limitedTo?: string;
  /** The account's roles by publisher, as far as the token lets them through. The admin's are not listed. */
  roles: ReadonlyMap<string, MemberRole>;
  /** Opaque name for fairness between callers; never a token. */
  caller: string;
  /** The request that is being answered. */
  requestId?: string;
}

const NO_ROLES: ReadonlyMap<string, MemberRole> = new Map();

export const ANONYMOUS: Principal = { who: "everyone", cap: "reader", roles: NO_ROLES, caller: "anonymous" };
export const ADMIN: Principal = {
  who: "admin",
  account: "admin",
  cap: "admin",
  roles: NO_ROLES,
  caller: "admin",
};
export const WORKER: Principal = { who: "worker", cap: "reader", roles: NO_ROLES, caller: "worker" };

/** The same principal with no more than reading: what a token in a URL, or a browser's session, amounts to. */
export const asReader = (principal: Principal): Principal => ({
  ...principal,
  cap: "reader",
  roles: new Map([...principal.roles.keys()].map((publisher) => [publisher, "reader"])),
});

/** What is acted on: something of a publisher. */
export interface Resource {
  publisher: string;
  visibility: Visibility;
}

/** What a principal counts as in a publisher; without one, in the hub as a whole. */
export function standing(principal: Principal, publisher?: string): Who {
  if (principal.who === "admin") {
    if (principal.limitedTo !== undefined && principal.limitedTo !== publisher) return "account";
    return publisher === undefined && principal.cap !== "admin" ? "account" : principal.cap;
  }
  return (publisher === undefined ? undefined : principal.roles.get(publisher)) ?? principal.who;
}

/** Whether a principal may do an action: on something of a publisher, or on what belongs to none. */
export function allows(principal: Principal, action: Action, resource?: Resource): boolean {
  const { cap } = PERMISSIONS[action];
  if (cap !== undefined && (principal.limitedTo !== undefined || !isAtLeast(principal.cap, cap)))
    return false;
  return may(standing(principal, resource?.publisher), action, resource?.visibility ?? "private");
}

/** The publishers in which a principal may do an action to what is private: all, or these. For lists. */
export function visiblePublishers(principal: Principal, action: Action): "all" | string[] {
  if (principal.who === "admin") {
    if (!may(principal.cap, action, "private")) return [];
    return principal.limitedTo === undefined ? "all" : [principal.limitedTo];
  }
  if (may(principal.who, action, "private")) return "all";
  return [...principal.roles].flatMap(([publisher, role]) =>
    may(role, action, "private") ? [publisher] : [],
  );
}

/**
 * Refuses an action that whoever sent no token may do to nothing, and one that no role in a publisher could allow
 * this principal: before anything is looked up, so that the answer says nothing about what exists. What depends on
 * the role in a publisher is refused where that is looked up.
 */
export function authorizeAtAll(principal: Principal, action: Action): void {
  const least = PERMISSIONS[action].public;
  if (principal.who === "everyone") {
    if (!isAtLeast("everyone", least))
      throw problem("unauthenticated", `A token that may do ${action} is needed.`);
    return;
  }
  const leastPrivate = PERMISSIONS[action].private;
  const ofPublisher = isAtLeast("owner", leastPrivate) && !isAtLeast("account", leastPrivate);
  if (ofPublisher && principal.who !== "worker") return;
  if (principal.who === "worker" ? !may("worker", action, "public") : !allows(principal, action))
    throw problem("forbidden", `This token may not do ${action}.`);
}
