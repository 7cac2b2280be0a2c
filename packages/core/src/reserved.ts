/**
 * Words that no publisher and no name segment may be, because some protocol uses them in the same place.
 * Frozen: a published handle must keep its meaning, so later sub-resources go below `versions/{version}/`.
 */

const words = (text: string): ReadonlySet<string> => new Set(text.trim().split(/\s+/));

/** First path segments of any protocol, of the hub's own pages, and names that would mislead. Lower case. */
export const RESERVED_PUBLISHERS = words(`
  api models datasets spaces kernels buckets collections papers organizations users settings login logout join
  new search explore v1 v2 v3 s lite js css static assets public health metrics docs repository openapi.json
  robots.txt favicon.ico sitemap.xml well-known .well-known _catalog internal admin publishers modules versions
  drafts uploads resolve blobs tokens me audit jobs embed classify predict rerank tokenize decode info similarity
  embed_all embed_sparse chat completions embeddings invocations ping token oauth whoami-v2 repos
  anonymous everyone all none null undefined about help terms privacy security status account download swagger
`);

/** Name segments: every sub-resource word of any protocol. Lower case. */
export const RESERVED_SEGMENTS = words(`
  versions aliases drafts head files archive infer embed classify resolve raw tree blob blobs commit commits
  manifests tags referrers uploads ready config stats metadata labels load unload predict regress revision
  paths-info preupload branch branches tag refs discussions settings edit delete edit-docs info lfs
  yank docs documentation events train evaluate lineage members tokens jobs index chat completions embeddings
  generate generate_stream openapi.json latest main blame compare upload notebook super-squash treesize lfs-files
  xet-read-token xet-write-token security-status resource-group user-access-request trace explain
`);

/** Whether a word is on a list, without regard to case. */
export const isReserved = (list: ReadonlySet<string>, word: string): boolean => list.has(word.toLowerCase());
