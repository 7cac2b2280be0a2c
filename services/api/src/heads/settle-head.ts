import { dropReferences } from "../blobs/references.ts";
import type { Queries } from "../database/client.ts";

/**
 * To be called, under the lock of the module's row, when something of a module was published. A head whose last commit
 * now means a version has no commits of its own any more; one that has moved on meanwhile goes on from there.
 */
export async function settleHead(tx: Queries, moduleId: number, published: number): Promise<void> {
  const head = await tx.head.findUnique({ where: { moduleId } });
  if (head === null) return;
  const { revision } = head;
  const commit = await tx.revision.findUnique({ where: { moduleId_revision: { moduleId, revision } } });
  if (commit === null || commit.versionId === null) {
    await tx.head.update({ where: { moduleId }, data: { base: published } });
    return;
  }
  await dropHead(tx, moduleId);
}

/** Takes away what a head has of its own: it is the latest version then. */
export async function dropHead(tx: Queries, moduleId: number): Promise<void> {
  await dropReferences(tx, { kind: "head", id: String(moduleId) });
  await tx.head.deleteMany({ where: { moduleId } });
}
