/**
 * Names of what can be done, and of who may. The one table that joins them is the API's
 * (`identity/permissions`); the names are here because clients show them.
 */

/** Roles of a member in a publisher, each including the ones after it. */
export const MEMBER_ROLES = ["owner", "writer", "reader"] as const;
export type MemberRole = (typeof MEMBER_ROLES)[number];

/** The same with the hub's own: the admin is an owner everywhere, and more. */
export const ROLES = ["admin", ...MEMBER_ROLES] as const;
export type Role = (typeof ROLES)[number];

/** What can be done: the kind of thing, then the deed. */
export const ACTIONS = [
  "hub.read",
  "publisher.create",
  "publisher.read",
  "publisher.settings",
  "publisher.delete",
  /** How many bytes a publisher keeps, and may keep. */
  "quota.read",
  "quota.write",
  "account.read",
  "account.write",
  "me.read",
  /** Signing in to the pages with a token, and out again. */
  "session.write",
  "member.read",
  "member.write",
  "token.read",
  "token.write",
  "audit.read",
  "module.list",
  "module.read",
  "module.download",
  "module.run",
  "module.publish",
  "module.document",
  "module.alias",
  "module.yank",
  "module.delete",
  "module.settings",
  /** The module's head: a tree that its writers change by commits. */
  "head.read",
  "head.write",
  "draft.read",
  "draft.write",
  "upload.read",
  "upload.write",
  "job.read",
  /** Starting and cancelling training, evaluation and ranking. */
  "job.write",
  /** What a worker does on its own behalf: read contents and blobs by digest. */
  "worker.read",
  /** What a worker does for a job: send what it made. */
  "worker.write",
] as const;
export type Action = (typeof ACTIONS)[number];

/** Who may read a module: everyone, or the members of its publisher. */
export const VISIBILITIES = ["public", "private"] as const;
export type Visibility = (typeof VISIBILITIES)[number];
