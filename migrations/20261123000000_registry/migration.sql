CREATE TABLE "publisher" (
  "id" TEXT PRIMARY KEY,
  "display_name" TEXT NOT NULL,
  "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP
);

CREATE TABLE "module" (
  "id" SERIAL PRIMARY KEY,
  "publisher_id" TEXT NOT NULL REFERENCES "publisher" ("id"),
  "name" TEXT COLLATE "C" NOT NULL UNIQUE,
  "lower_name" TEXT COLLATE "C" NOT NULL UNIQUE,
  "hf_name" TEXT NOT NULL UNIQUE,
  "oci_name" TEXT NOT NULL UNIQUE,
  "visibility" TEXT NOT NULL CHECK ("visibility" IN ('public', 'private')),
  "next_version" INTEGER NOT NULL DEFAULT 1,
  "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP
);
CREATE INDEX "module_publisher_id_idx" ON "module" ("publisher_id");

CREATE TABLE "version" (
  "id" SERIAL PRIMARY KEY,
  "module_id" INTEGER NOT NULL REFERENCES "module" ("id"),
  "number" INTEGER NOT NULL CHECK ("number" BETWEEN 1 AND 999999999),
  "digest" TEXT NOT NULL,
  "manifest" JSONB NOT NULL,
  "report" JSONB NOT NULL,
  "batching" JSONB NOT NULL,
  "published_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
  "yanked_at" TIMESTAMPTZ(3),
  "yank_reason" TEXT,
  UNIQUE ("module_id", "number")
);
CREATE INDEX "version_digest_idx" ON "version" ("digest");

CREATE TABLE "version_file" (
  "version_id" INTEGER NOT NULL REFERENCES "version" ("id"),
  "path" TEXT COLLATE "C" NOT NULL,
  "size" BIGINT NOT NULL CHECK ("size" >= 0),
  "digest" TEXT NOT NULL,
  "role" TEXT NOT NULL CHECK ("role" IN ('graph', 'weights', 'asset', 'doc')),
  PRIMARY KEY ("version_id", "path")
);

CREATE TABLE "alias" (
  "module_id" INTEGER NOT NULL REFERENCES "module" ("id"),
  "name" TEXT NOT NULL,
  "version_id" INTEGER NOT NULL REFERENCES "version" ("id"),
  "updated_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
  PRIMARY KEY ("module_id", "name")
);

CREATE TABLE "blob" (
  "id" SERIAL PRIMARY KEY,
  "digest" TEXT NOT NULL,
  "size" BIGINT NOT NULL CHECK ("size" >= 0),
  "state" TEXT NOT NULL CHECK ("state" IN ('stored', 'deleting')),
  "storage_key" TEXT NOT NULL UNIQUE,
  "touched_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
  "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP
);
-- Bytes of a digest are kept once; a row on its way out doesn't stand in the way of sending them again.
CREATE UNIQUE INDEX "blob_digest_stored_key" ON "blob" ("digest") WHERE "state" = 'stored';

CREATE TABLE "blob_reference" (
  "blob_id" INTEGER NOT NULL REFERENCES "blob" ("id"),
  "holder_kind" TEXT NOT NULL CHECK ("holder_kind" IN ('version', 'draft', 'upload')),
  "holder_id" TEXT NOT NULL,
  "publisher_id" TEXT NOT NULL,
  PRIMARY KEY ("blob_id", "holder_kind", "holder_id")
);
CREATE INDEX "blob_reference_holder_kind_holder_id_idx" ON "blob_reference" ("holder_kind", "holder_id");

CREATE TABLE "upload" (
  "id" TEXT PRIMARY KEY,
  "publisher_id" TEXT NOT NULL REFERENCES "publisher" ("id"),
  "size" BIGINT NOT NULL CHECK ("size" >= 0),
  "digest" TEXT,
  "part_size" INTEGER NOT NULL CHECK ("part_size" > 0),
  "state" TEXT NOT NULL CHECK ("state" IN ('open', 'stored', 'failed', 'cancelled')),
  "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
  "expires_at" TIMESTAMPTZ(3) NOT NULL
);

CREATE TABLE "upload_part" (
  "upload_id" TEXT NOT NULL REFERENCES "upload" ("id") ON DELETE CASCADE,
  "number" INTEGER NOT NULL CHECK ("number" >= 1),
  "size" BIGINT NOT NULL,
  PRIMARY KEY ("upload_id", "number")
);

CREATE TABLE "draft" (
  "id" TEXT PRIMARY KEY,
  "module_id" INTEGER NOT NULL REFERENCES "module" ("id"),
  "state" TEXT NOT NULL
    CHECK ("state" IN ('uploading', 'verifying', 'published', 'rejected', 'failed', 'expired', 'cancelled')),
  "files" JSONB NOT NULL,
  "requested_version" INTEGER,
  "aliases" TEXT[] NOT NULL,
  "problems" JSONB NOT NULL DEFAULT '[]',
  "version" INTEGER,
  "digest" TEXT,
  "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
  "updated_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
  "expires_at" TIMESTAMPTZ(3) NOT NULL
);
CREATE INDEX "draft_state_idx" ON "draft" ("state");

CREATE TABLE "token" (
  "id" TEXT PRIMARY KEY,
  "hash" TEXT NOT NULL UNIQUE,
  "name" TEXT NOT NULL,
  "publisher_id" TEXT REFERENCES "publisher" ("id"),
  "role" TEXT NOT NULL CHECK ("role" IN ('admin', 'owner', 'writer', 'reader')),
  "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
  "expires_at" TIMESTAMPTZ(3),
  "revoked_at" TIMESTAMPTZ(3)
);

CREATE TABLE "tombstone" (
  "lower_name" TEXT NOT NULL,
  "version" INTEGER NOT NULL DEFAULT 0,
  "deleted_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
  PRIMARY KEY ("lower_name", "version")
);
