import type { Action, Role, Visibility } from "@modulehub/core";

/**
 * Who may do what: the one table. `everyone` includes those without a token; `account` is whoever has one, also
 * without a role in the publisher at hand; `worker` is the workers' shared token. A role includes the ones after
 * it: owner, writer, reader, account, everyone. The admin may do whatever an owner may, and what only `admin` may.
 */
export type Who = Role | "account" | "worker" | "everyone";

/** The least that an action takes, on something public and on something private. */
interface Rule extends Record<Visibility, Who> {
  /** The least that a token must be capped at, on top of that; one that is limited to a publisher will not do. */
  cap?: Role;
}

const both = (who: Who): Rule => ({ public: who, private: who });

export const PERMISSIONS: Record<Action, Rule> = {
  "hub.read": both("everyone"),
  // It makes an owner, so a token that may not be one can't do it.
  "publisher.create": { ...both("account"), cap: "owner" },
  "publisher.read": both("everyone"),
  "publisher.settings": both("owner"),
  "publisher.delete": both("owner"),
  "quota.read": both("reader"),
  "quota.write": both("admin"),
  "account.read": both("admin"),
  "account.write": both("admin"),
  "me.read": both("account"),
  "session.write": both("everyone"),
  "member.read": both("reader"),
  "member.write": both("owner"),
  // Of one's own account; what a token may give on or take back is held against its own rights.
  "token.read": both("account"),
  "token.write": both("account"),
  "audit.read": both("owner"),
  "module.list": { public: "everyone", private: "reader" },
  "module.read": { public: "everyone", private: "reader" },
  "module.download": { public: "everyone", private: "reader" },
  "module.run": { public: "everyone", private: "reader" },
  "module.publish": both("writer"),
  "module.document": both("writer"),
  "module.alias": both("writer"),
  "module.yank": both("writer"),
  "module.delete": both("owner"),
  "module.settings": both("owner"),
  "head.read": both("writer"),
  "head.write": both("writer"),
  "draft.read": both("writer"),
  "draft.write": both("writer"),
  "upload.read": both("writer"),
  "upload.write": both("writer"),
  "job.read": both("writer"),
  "job.write": both("writer"),
  "worker.read": both("worker"),
  "worker.write": both("worker"),
};

const RANKS: readonly Who[] = ["admin", "owner", "writer", "reader", "account", "everyone"];

/** Whether `who` is at least `least`. Workers stand beside the order: they are at least themselves only. */
export function isAtLeast(who: Who, least: Who): boolean {
  if (who === "worker" || least === "worker") return who === least;
  return RANKS.indexOf(who) <= RANKS.indexOf(least);
}

/** Whether `who` may do `action` on something of this visibility. Workers may do what is theirs, no more. */
export const may = (who: Who, action: Action, visibility: Visibility): boolean =>
  isAtLeast(who, PERMISSIONS[action][visibility]);
