import type { JobRequestInput, MemberRole } from "@modulehub/core";
import type { Job, JobLogPage, JobPage } from "./jobs/job.ts";
import { type JobEvent, watchJob } from "./jobs/watch-job.ts";
import {
  type AccountPage,
  changeAccount,
  createAccount,
  type HubAccount,
  listAccounts,
} from "./operations/accounts.ts";
import { cancelJob } from "./operations/cancel-job.ts";
import {
  type ClassifyAnswer,
  type ClassifyInput,
  type ClassifyOptions,
  classify,
} from "./operations/classify.ts";
import { compareVersions, type VersionComparison } from "./operations/compare-versions.ts";
import { createJob } from "./operations/create-job.ts";
import { type DeleteOptions, deleteModule, deleteVersion } from "./operations/deletions.ts";
import {
  type Documentation,
  type DocumentationPage,
  documentation,
  listDocumentation,
} from "./operations/documentation.ts";
import { type EmbedAnswer, type EmbedInput, embed } from "./operations/embed.ts";
import {
  type CommitPage,
  discardHead,
  type Head,
  listCommits,
  type PublishedRevision,
  publishHead,
  readHead,
  showRevision,
} from "./operations/head.ts";
import { type InferAnswer, type InferInput, type InferOptions, infer } from "./operations/infer.ts";
import { jobLog } from "./operations/job-log.ts";
import { type Lineage, lineage } from "./operations/lineage.ts";
import { type AliasPage, listAliases } from "./operations/list-aliases.ts";
import { type AuditPage, listAudit } from "./operations/list-audit.ts";
import { type DraftFilter, type DraftPage, listDrafts } from "./operations/list-drafts.ts";
import { type EvaluationPage, listEvaluations } from "./operations/list-evaluations.ts";
import { type JobFilter, listJobs } from "./operations/list-jobs.ts";
import {
  type ListOptions,
  listModules,
  type ModulePage,
  type PageOptions,
} from "./operations/list-modules.ts";
import { listVersions, type VersionPage } from "./operations/list-versions.ts";
import {
  listMembers,
  type MemberPage,
  type PublisherMember,
  removeMember,
  setMember,
} from "./operations/members.ts";
import { changeModule, type ModuleSettings } from "./operations/module-settings.ts";
import {
  createPublisher,
  deletePublisher,
  type HubPublisher,
  listPublishers,
  type PublisherPage,
  type Quota,
  readQuota,
  renamePublisher,
  setQuota,
} from "./operations/publishers.ts";
import { readJob } from "./operations/read-job.ts";
import { removeAlias } from "./operations/remove-alias.ts";
import { type Resolved, resolve } from "./operations/resolve.ts";
import { type FoundModule, type SearchOptions, type SearchQuery, search } from "./operations/search.ts";
import { type ModuleAlias, setAlias } from "./operations/set-alias.ts";
import { type ShownVersion, showVersion } from "./operations/show-version.ts";
import {
  type CreatedToken,
  createToken,
  listTokens,
  type Me,
  revokeToken,
  type TokenOptions,
  type TokenPage,
  whoAmI,
} from "./operations/tokens.ts";
import { unyank } from "./operations/unyank.ts";
import { type YankedVersion, yank } from "./operations/yank.ts";
import { cancelDraft, type Draft, publishDraft, readDraft } from "./publish/draft.ts";
import { type DraftEvent, watchDraft } from "./publish/watch-draft.ts";
import { Transport } from "./transport.ts";

export interface HubAddress {
  /** Where the hub is, such as `http://127.0.0.1:8080`. */
  url: string;
  /** Absent: only what is public can be seen. */
  token?: string;
}

/**
 * A hub, as far as it is used by calls alone, in Node and in browsers. Every method throws ProblemError with a
 * code of the catalogue where the hub refuses, UnreachableError where it doesn't answer, UnexpectedAnswerError where
 * something else does, and `invalid-handle` for what is no handle. What is safe to try again is tried again, with
 * growing pauses.
 */
export class HubCalls {
  protected readonly transport: Transport;

  constructor(address: HubAddress) {
    this.transport = new Transport(address.url, address.token);
  }

  /** The exact version that a handle stands for now, with its files. */
  resolve(handle: string): Promise<Resolved> {
    return resolve(this.transport, handle);
  }

  /** Runs a module on the hub: named tensors in, named tensors out. */
  infer(handle: string, inputs: Record<string, InferInput>, options?: InferOptions): Promise<InferAnswer> {
    return infer(this.transport, handle, inputs, options);
  }

  /** One vector for each text or image. */
  embed(handle: string, inputs: EmbedInput): Promise<EmbedAnswer> {
    return embed(this.transport, handle, inputs);
  }

  /** Labels with scores for each text or image, best first. */
  classify(handle: string, inputs: ClassifyInput, options?: ClassifyOptions): Promise<ClassifyAnswer> {
    return classify(this.transport, handle, inputs, options);
  }

  /** The modules that fit words or filters and that the token may see, asked for page by page as they are read. */
  search(query?: string | SearchQuery, options?: SearchOptions): AsyncGenerator<FoundModule, void> {
    return search(this.transport, query, options);
  }

  /** The version that a handle stands for, with its manifest. */
  showVersion(handle: string): Promise<ShownVersion> {
    return showVersion(this.transport, handle);
  }

  /** Makes a publisher, which the token's account owns then; the admin may name another owner. */
  createPublisher(id: string, options?: { displayName?: string; owner?: string }): Promise<HubPublisher> {
    return createPublisher(this.transport, id, options);
  }

  /** A page of the publishers. */
  listPublishers(options?: PageOptions): Promise<PublisherPage> {
    return listPublishers(this.transport, options);
  }

  /** Changes how a publisher is called on pages. */
  renamePublisher(id: string, displayName: string): Promise<HubPublisher> {
    return renamePublisher(this.transport, id, displayName);
  }

  /** How many bytes a publisher keeps, and may keep. */
  readQuota(id: string): Promise<Quota> {
    return readQuota(this.transport, id);
  }

  /** Says how many bytes a publisher may keep, null being any number; the admin's to do. */
  setQuota(id: string, bytes: number | null): Promise<Quota> {
    return setQuota(this.transport, id, bytes);
  }

  /** Deletes a publisher that has no modules; its name is never used again. */
  deletePublisher(id: string): Promise<void> {
    return deletePublisher(this.transport, id);
  }

  /** A page of a publisher's members. */
  listMembers(publisher: string, options?: PageOptions): Promise<MemberPage> {
    return listMembers(this.transport, publisher, options);
  }

  /** Gives an account a role in a publisher. */
  setMember(publisher: string, account: string, role: MemberRole): Promise<PublisherMember> {
    return setMember(this.transport, publisher, account, role);
  }

  /** Ends a membership. */
  removeMember(publisher: string, account: string): Promise<void> {
    return removeMember(this.transport, publisher, account);
  }

  /** Whose token this is, and what it may. */
  whoAmI(): Promise<Me> {
    return whoAmI(this.transport);
  }

  /** Makes a token that may no more than one's own; the answer holds it, this once. */
  createToken(name: string, options?: TokenOptions): Promise<CreatedToken> {
    return createToken(this.transport, name, options);
  }

  /** A page of one's tokens; the admin may name an account. */
  listTokens(options?: PageOptions & { account?: string }): Promise<TokenPage> {
    return listTokens(this.transport, options);
  }

  /** Revokes a token by its id, and the sessions that were opened with it. */
  revokeToken(id: string): Promise<void> {
    return revokeToken(this.transport, id);
  }

  /** Makes an account; the admin's to do, as the next two. */
  createAccount(id: string, displayName?: string): Promise<HubAccount> {
    return createAccount(this.transport, id, displayName);
  }

  /** A page of the accounts. */
  listAccounts(options?: PageOptions): Promise<AccountPage> {
    return listAccounts(this.transport, options);
  }

  /** Renames an account, or disables it: its tokens are refused until it is enabled again. */
  changeAccount(id: string, change: { displayName?: string; disabled?: boolean }): Promise<HubAccount> {
    return changeAccount(this.transport, id, change);
  }

  /** A page of who changed what: of a publisher or module for its owners, of everything for the admin. */
  listAudit(options?: PageOptions & { publisher?: string; module?: string }): Promise<AuditPage> {
    return listAudit(this.transport, options);
  }

  /** A page of the modules that fit and that the token may see; with `facets`, what could be filtered by. */
  listModules(options?: ListOptions): Promise<ModulePage> {
    return listModules(this.transport, options);
  }

  /** A page of a module's versions. */
  listVersions(module: string, options?: PageOptions): Promise<VersionPage> {
    return listVersions(this.transport, module, options);
  }

  /** Deletes the version that a handle names by its number, for good; with `force`, aliases that stand for it too. */
  deleteVersion(handle: string, options?: DeleteOptions & { force?: boolean }): Promise<void> {
    return deleteVersion(this.transport, handle, options);
  }

  /** Deletes a module with all that it has, for good. */
  deleteModule(module: string, options?: DeleteOptions): Promise<void> {
    return deleteModule(this.transport, module, options);
  }

  /** Changes who may see a module, or its name; the old name leads to the new one. */
  changeModule(module: string, settings: ModuleSettings): Promise<FoundModule> {
    return changeModule(this.transport, module, settings);
  }

  /** The documentation of the version that a handle stands for, now or at a revision. */
  documentation(handle: string, options?: { revision?: number }): Promise<Documentation> {
    return documentation(this.transport, handle, options);
  }

  /** A page of the revisions of a version's documentation: who made each, when, and what it changed. */
  listDocumentation(handle: string, options?: PageOptions): Promise<DocumentationPage> {
    return listDocumentation(this.transport, handle, options);
  }

  /** Makes an alias stand for the version that a handle names by its number, or moves it there. */
  setAlias(handle: string, alias: string): Promise<ModuleAlias> {
    return setAlias(this.transport, handle, alias);
  }

  /** Takes an alias away; the version that it stood for stays. */
  removeAlias(module: string, alias: string): Promise<void> {
    return removeAlias(this.transport, module, alias);
  }

  /** A page of a module's aliases. */
  listAliases(module: string, options?: PageOptions): Promise<AliasPage> {
    return listAliases(this.transport, module, options);
  }

  /** Withdraws the version that a handle names by its number; exact handles and aliases still lead to it. */
  yank(handle: string, reason: string): Promise<YankedVersion> {
    return yank(this.transport, handle, reason);
  }

  /** Takes a withdrawal back. */
  unyank(handle: string): Promise<void> {
    return unyank(this.transport, handle);
  }

  /** What the writers of a module work on: its head, with a page of its files. */
  readHead(module: string, options?: PageOptions): Promise<Head> {
    return readHead(this.transport, module, options);
  }

  /** A page of the commits that led to a module's head, newest first. */
  listCommits(module: string, options?: PageOptions): Promise<CommitPage> {
    return listCommits(this.transport, module, options);
  }

  /** Has a module's head published now, as the next version or as the one that is named. */
  publishHead(module: string, options?: { version?: number; aliases?: readonly string[] }): Promise<Head> {
    return publishHead(this.transport, module, options);
  }

  /** Throws away the commits of a head that no version has: it is the latest version again. */
  discardHead(module: string): Promise<Head> {
    return discardHead(this.transport, module);
  }

  /** Which version, with which of its documentation, a revision of 40 hex digits is published as. */
  showRevision(module: string, revision: string): Promise<PublishedRevision> {
    return showRevision(this.transport, module, revision);
  }

  /** A page of the drafts of modules that the token may write, newest first. */
  listDrafts(options?: PageOptions & DraftFilter): Promise<DraftPage> {
    return listDrafts(this.transport, options);
  }

  /** A draft as it is now, with the digests of what it lacks. */
  readDraft(id: string): Promise<Draft> {
    return readDraft(this.transport, id);
  }

  /** Tells what happens to a draft, beginning with its state now, until the hub has decided about it. */
  watchDraft(id: string, signal?: AbortSignal): AsyncGenerator<DraftEvent, void> {
    return watchDraft(this.transport, id, signal);
  }

  /** Has a draft verified and published once its bytes are there; opens one again that failed. */
  publishDraft(id: string): Promise<Draft> {
    return publishDraft(this.transport, id);
  }

  /** Cancels a draft, also while it is verified; one that has ended stays as it is. */
  cancelDraft(id: string): Promise<Draft> {
    return cancelDraft(this.transport, id);
  }

  /** Has a job made on a data set whose bytes the publisher has; `train`, `evaluate` and `rank` of `Hub` send them. */
  createJob(request: JobRequestInput): Promise<Job> {
    return createJob(this.transport, request);
  }

  /** A page of the jobs of publishers that the token may write in, newest first. */
  listJobs(options?: PageOptions & JobFilter): Promise<JobPage> {
    return listJobs(this.transport, options);
  }

  /** A job as it is now. */
  readJob(id: string): Promise<Job> {
    return readJob(this.transport, id);
  }

  /** Tells what happens to a job, beginning with its state now, until it has ended. */
  watchJob(id: string, signal?: AbortSignal): AsyncGenerator<JobEvent, void> {
    return watchJob(this.transport, id, signal);
  }

  /** Cancels a job; one that has ended stays as it is. */
  cancelJob(id: string): Promise<Job> {
    return cancelJob(this.transport, id);
  }

  /** A page of a job's log, oldest line first. */
  jobLog(id: string, options?: PageOptions): Promise<JobLogPage> {
    return jobLog(this.transport, id, options);
  }

  /** What the version that a handle means was trained from, and what was trained from it. */
  lineage(handle: string): Promise<Lineage> {
    return lineage(this.transport, handle);
  }

  /** How the second of two versions does beside the first, on all data that both were evaluated on. */
  compareVersions(first: string, second: string): Promise<VersionComparison> {
    return compareVersions(this.transport, first, second);
  }

  /** A page of how well the version that a handle means did on data sets, newest first. */
  listEvaluations(handle: string, options?: PageOptions): Promise<EvaluationPage> {
    return listEvaluations(this.transport, handle, options);
  }
}
