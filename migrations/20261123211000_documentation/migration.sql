-- Documentation has numbered revisions of its own; version_file keeps what lies in a version's digest.
CREATE TABLE "documentation" (
  "version_id" INTEGER NOT NULL REFERENCES "version" ("id") ON DELETE CASCADE,
  "revision" INTEGER NOT NULL CHECK ("revision" >= 1),
  -- What README.md's front matter says, as services/api/src/registry/card.ts reads it.
  "card" JSONB NOT NULL,
  "message" TEXT,
  -- Against the revision before: {"count", "first": [{"path", "change"}]}.
  "changes" JSONB NOT NULL,
  "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
  -- The account; absent where that is not known.
  "created_by" TEXT,
  PRIMARY KEY ("version_id", "revision")
);
CREATE TABLE "documentation_file" (
  "version_id" INTEGER NOT NULL,
  "revision" INTEGER NOT NULL,
  "path" TEXT COLLATE "C" NOT NULL,
  "size" BIGINT NOT NULL CHECK ("size" >= 0),
  "digest" TEXT NOT NULL,
  PRIMARY KEY ("version_id", "revision", "path"),
  FOREIGN KEY ("version_id", "revision") REFERENCES "documentation" ("version_id", "revision") ON DELETE CASCADE
);
-- The current revision.
ALTER TABLE "version" ADD COLUMN "documentation_revision" INTEGER NOT NULL DEFAULT 1;
-- Whether module.json was derived by the client, and not written by the publisher.
ALTER TABLE "version" ADD COLUMN "derived" BOOLEAN NOT NULL DEFAULT false;
ALTER TABLE "draft" ADD COLUMN "derived" BOOLEAN NOT NULL DEFAULT false;

INSERT INTO "documentation" ("version_id", "revision", "card", "changes", "created_at")
  SELECT "id", 1, '{"languages": [], "datasets": [], "baseModels": [], "tags": [], "text": ""}',
    '{"count": 0, "first": []}', "published_at" FROM "version";
INSERT INTO "documentation_file" ("version_id", "revision", "path", "size", "digest")
  SELECT "version_id", 1, "path", "size", "digest" FROM "version_file" WHERE "role" = 'doc';
DELETE FROM "version_file" WHERE "role" = 'doc';
ALTER TABLE "version_file" DROP CONSTRAINT "version_file_role_check";
ALTER TABLE "version_file" ADD CONSTRAINT "version_file_role_check" CHECK ("role" IN ('graph', 'weights', 'asset'));

-- Every revision keeps its blobs: by a row of its version's documentation (holder_id is the version's id).
ALTER TABLE "blob_reference" DROP CONSTRAINT "blob_reference_holder_kind_check";
ALTER TABLE "blob_reference" ADD CONSTRAINT "blob_reference_holder_kind_check"
  CHECK ("holder_kind" IN ('version', 'documentation', 'draft', 'upload'));
INSERT INTO "blob_reference" ("blob_id", "holder_kind", "holder_id", "publisher_id")
  SELECT DISTINCT b."id", 'documentation', v."id"::text, m."publisher_id"
  FROM "documentation_file" f
  JOIN "version" v ON v."id" = f."version_id"
  JOIN "module" m ON m."id" = v."module_id"
  JOIN "blob" b ON b."digest" = f."digest" AND b."state" = 'stored';
DELETE FROM "blob_reference" r USING "blob" b
  WHERE b."id" = r."blob_id" AND r."holder_kind" = 'version' AND NOT EXISTS (
    SELECT FROM "version_file" f WHERE f."version_id" = r."holder_id"::int AND f."digest" = b."digest");

-- What Hugging Face's clients name a state of a module by: a chain over all versions and edits of documentation
-- (packages/core/src/revision.ts).
CREATE TABLE "revision" (
  "id" SERIAL PRIMARY KEY,
  "module_id" INTEGER NOT NULL REFERENCES "module" ("id") ON DELETE CASCADE,
  "revision" TEXT COLLATE "C" NOT NULL CHECK ("revision" ~ '^[0-9a-f]{40}$'),
  "parent" TEXT COLLATE "C" NOT NULL,
  "version_id" INTEGER NOT NULL,
  "documentation_revision" INTEGER NOT NULL,
  "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
  UNIQUE ("module_id", "revision"),
  UNIQUE ("version_id", "documentation_revision"),
  FOREIGN KEY ("version_id", "documentation_revision") REFERENCES "documentation" ("version_id", "revision") ON DELETE CASCADE
);
CREATE INDEX "revision_module_id_id_idx" ON "revision" ("module_id", "id");

DO $$
DECLARE
  v RECORD;
  content TEXT;
  before TEXT;
BEGIN
  FOR v IN SELECT "id", "module_id", "published_at" FROM "version" ORDER BY "module_id", "id" LOOP
    SELECT '[' || coalesce(string_agg(
        '{"digest":"' || f."digest" || '","path":' || to_json(f."path") || ',"size":' || f."size" || '}',
        ',' ORDER BY f."path"), '') || ']' INTO content
      FROM (SELECT "path", "size", "digest" FROM "version_file" WHERE "version_id" = v."id"
            UNION ALL
            SELECT "path", "size", "digest" FROM "documentation_file" WHERE "version_id" = v."id") f;
    SELECT "revision" INTO before FROM "revision" WHERE "module_id" = v."module_id" ORDER BY "id" DESC LIMIT 1;
    before := coalesce(before, '60344cbcb05cfc0ecb5b903e25254d31bfe1a132');
    INSERT INTO "revision" ("module_id", "revision", "parent", "version_id", "documentation_revision", "created_at")
      VALUES (v."module_id",
        left(encode(sha256(convert_to('{"files":' || content || ',"parent":"' || before || '"}', 'UTF8')), 'hex'), 40),
        before, v."id", 1, v."published_at");
  END LOOP;
END $$;

-- Every name that a module ever had, for good. Without a module: what it named was deleted.
CREATE TABLE "module_name" (
  "lower_name" TEXT COLLATE "C" PRIMARY KEY,
  "name" TEXT COLLATE "C" NOT NULL,
  "hf_name" TEXT COLLATE "C" NOT NULL UNIQUE,
  "module_id" INTEGER REFERENCES "module" ("id") ON DELETE SET NULL
);
CREATE INDEX "module_name_module_id_idx" ON "module_name" ("module_id");
INSERT INTO "module_name" ("lower_name", "name", "hf_name", "module_id")
  SELECT "lower_name", "name", "hf_name", "id" FROM "module";

-- Who deleted, why, and whether everyone may know.
ALTER TABLE "tombstone" ADD COLUMN "visibility" TEXT NOT NULL DEFAULT 'public'
  CHECK ("visibility" IN ('public', 'private'));
ALTER TABLE "tombstone" ADD COLUMN "deleted_by" TEXT;
ALTER TABLE "tombstone" ADD COLUMN "reason" TEXT;
