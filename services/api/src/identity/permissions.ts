import type { Action, Role, Visibility } from "@modulehub/core";

/**
 * Who may do what: the one table. `everyone` includes those without a token and those whose token has no
 * role in the publisher; `worker` is the workers' shared token. A role includes the ones after it: owner,
 * writer, reader; the admin may do whatever an owner may, and what only `admin` may.
 */
export type Who = Role | "worker" | "everyone";

/** The least that an action takes, on something public and on something private. */
type Rule = Record<Visibility, Who>;

const both = (who: Who): Rule => ({ public: who, private: who });

export const PERMISSIONS: Record<Action, Rule> = {
  "hub.read": both("everyone"),
  "publisher.create": both("admin"),
  "publisher.read": both("everyone"),
  "publisher.delete": both("admin"),
  "member.read": both("reader"),
  "member.write": both("owner"),
  "token.read": both("owner"),
  "token.write": both("owner"),
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
  "draft.read": both("writer"),
  "draft.write": both("writer"),
  "upload.read": both("writer"),
  "upload.write": both("writer"),
  "job.read": both("reader"),
  "job.write": both("writer"),
  "worker.read": both("worker"),
  "operator.read": both("admin"),
};

const ROLE_ORDER: readonly Who[] = ["admin", "owner", "writer", "reader", "everyone"];

/** Whether `who` may do `action` on something of this visibility. Workers may do what is theirs, no more. */
export function may(who: Who, action: Action, visibility: Visibility): boolean {
  const least = PERMISSIONS[action][visibility];
  if (who === "worker" || least === "worker") return who === least;
  return ROLE_ORDER.indexOf(who) <= ROLE_ORDER.indexOf(least);
}
