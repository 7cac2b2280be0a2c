-- A module's head while it has commits that no version has: a tree of files that its writers change by commits.
-- Without a row the head is the latest version.
CREATE TABLE "head" (
  "module_id" INTEGER PRIMARY KEY REFERENCES "module" ("id") ON DELETE CASCADE,
  "revision" TEXT COLLATE "C" NOT NULL CHECK ("revision" ~ '^[0-9a-f]{40}$'),
  -- [{path, size, digest}] by path.
  "files" JSONB NOT NULL,
  -- The version that it was before its first commit, or has become since.
  "base" INTEGER,
  -- When it becomes a draft by itself; absent where it doesn't.
  "publish_at" TIMESTAMPTZ(3),
  -- The last draft that was made of it, maybe of an earlier commit.
  "draft_id" TEXT REFERENCES "draft" ("id") ON DELETE SET NULL,
  -- Why no draft could be made of it.
  "problems" JSONB NOT NULL DEFAULT '[]',
  -- Who made the last commit, for the audit: {account?, tokenId?, requestId?}.
  "asked_by" JSONB NOT NULL,
  "changed_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP
);
CREATE INDEX "head_draft_id_idx" ON "head" ("draft_id");

-- The commit that a draft is made of.
ALTER TABLE "draft" ADD COLUMN "revision" TEXT COLLATE "C";

-- Commits are revisions too, of no version at first. Of one version and documentation there may be several: the
-- commit that a version was made of, and what it became by a derived module.json. The first one is the version's own.
ALTER TABLE "revision" ALTER COLUMN "version_id" DROP NOT NULL;
ALTER TABLE "revision" ALTER COLUMN "documentation_revision" DROP NOT NULL;
-- rolling-upgrade: the version before writes both columns of every revision, so it can't break this.
ALTER TABLE "revision" ADD CHECK (("version_id" IS NULL) = ("documentation_revision" IS NULL));
ALTER TABLE "revision" DROP CONSTRAINT "revision_version_id_documentation_revision_key";
CREATE INDEX "revision_version_id_documentation_revision_idx" ON "revision" ("version_id", "documentation_revision");
ALTER TABLE "revision" ADD COLUMN "author" TEXT;
ALTER TABLE "revision" ADD COLUMN "message" TEXT;
-- sha256 of the commit that was asked for: the same one sent again is answered, not made again.
ALTER TABLE "revision" ADD COLUMN "request" TEXT;

ALTER TABLE "blob_reference" DROP CONSTRAINT "blob_reference_holder_kind_check";
-- rolling-upgrade: it allows all that the one before it did, and more.
ALTER TABLE "blob_reference" ADD CONSTRAINT "blob_reference_holder_kind_check"
  CHECK ("holder_kind" IN ('version', 'documentation', 'draft', 'head', 'upload'));
