/* What the library is in browsers as well as in Node. */
export {
  type Manifest,
  type ProblemCode,
  type ProblemDocument,
  ProblemError,
  type Tensor,
} from "@modulehub/core";
export { UnexpectedAnswerError, UnreachableError } from "./connection-error.ts";
export type { HubAddress } from "./hub-calls.ts";
export type { Job, JobLogLine, JobLogPage, JobPage, JobProgress } from "./jobs/job.ts";
export type { JobEvent } from "./jobs/watch-job.ts";
export type { AccountPage, HubAccount } from "./operations/accounts.ts";
export type { ClassifyAnswer, ClassifyInput, ClassifyOptions } from "./operations/classify.ts";
export type { VersionComparison } from "./operations/compare-versions.ts";
export type { DeleteOptions } from "./operations/deletions.ts";
export type { Documentation, DocumentationPage } from "./operations/documentation.ts";
export type { EmbedAnswer, EmbedInput } from "./operations/embed.ts";
export type { CommitPage, Head, PublishedRevision } from "./operations/head.ts";
export type { InferAnswer, InferInput, InferOptions } from "./operations/infer.ts";
export type { Lineage } from "./operations/lineage.ts";
export type { AliasPage } from "./operations/list-aliases.ts";
export type { AuditPage } from "./operations/list-audit.ts";
export type { DraftFilter, DraftPage } from "./operations/list-drafts.ts";
export type { EvaluationPage } from "./operations/list-evaluations.ts";
export type { JobFilter } from "./operations/list-jobs.ts";
export type { ListOptions, ModulePage, PageOptions } from "./operations/list-modules.ts";
export type { VersionPage } from "./operations/list-versions.ts";
export type { MemberPage, PublisherMember } from "./operations/members.ts";
export type { ModuleSettings } from "./operations/module-settings.ts";
export type { HubPublisher, PublisherPage, Quota } from "./operations/publishers.ts";
export type { Resolved } from "./operations/resolve.ts";
export type { FoundModule, OneOrMore, SearchOptions, SearchQuery } from "./operations/search.ts";
export type { ModuleAlias } from "./operations/set-alias.ts";
export type { ShownVersion } from "./operations/show-version.ts";
export type { CreatedToken, HubToken, Me, TokenOptions, TokenPage } from "./operations/tokens.ts";
export type { YankedVersion } from "./operations/yank.ts";
export { isProblem } from "./problem-guard.ts";
export type { Draft } from "./publish/draft.ts";
export type { DraftEvent } from "./publish/watch-draft.ts";
