-- Training, evaluation and ranking, and what they leave with versions.
CREATE TABLE "job" (
  "id" TEXT PRIMARY KEY,
  "kind" TEXT NOT NULL CHECK ("kind" IN ('train', 'evaluate', 'rank')),
  "state" TEXT NOT NULL DEFAULT 'queued' CHECK ("state" IN ('queued', 'running', 'succeeded', 'failed', 'cancelled')),
  "publisher_id" TEXT NOT NULL REFERENCES "publisher" ("id"),
  "request" JSONB NOT NULL,
  "subjects" JSONB NOT NULL,
  "asked_by" JSONB NOT NULL,
  "attempt" TEXT,
  "attempts" INTEGER NOT NULL DEFAULT 0,
  "spent_ms" BIGINT NOT NULL DEFAULT 0,
  "progress" JSONB,
  "report" JSONB,
  "checkpoint" JSONB,
  "result" JSONB,
  "problem" JSONB,
  "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT now(),
  "updated_at" TIMESTAMPTZ(3) NOT NULL DEFAULT now(),
  "started_at" TIMESTAMPTZ(3),
  "ended_at" TIMESTAMPTZ(3),
  CHECK (("ended_at" IS NULL) = ("state" IN ('queued', 'running'))),
  CHECK (("state" = 'failed') = ("problem" IS NOT NULL))
);
CREATE INDEX "job_created_at_id_idx" ON "job" ("created_at", "id");
CREATE INDEX "job_publisher_id_created_at_id_idx" ON "job" ("publisher_id", "created_at", "id");
CREATE INDEX "job_under_way_idx" ON "job" ("publisher_id") WHERE "state" IN ('queued', 'running');
CREATE INDEX "job_ended_at_idx" ON "job" ("ended_at");

CREATE TABLE "job_log" (
  "job_id" TEXT NOT NULL REFERENCES "job" ("id") ON DELETE CASCADE,
  "number" INTEGER NOT NULL,
  "at" TIMESTAMPTZ(3) NOT NULL DEFAULT now(),
  "level" TEXT NOT NULL,
  "message" TEXT NOT NULL,
  PRIMARY KEY ("job_id", "number")
);

-- The draft that a job publishes with: what the draft comes to, the job does.
ALTER TABLE "draft" ADD COLUMN "job_id" TEXT UNIQUE REFERENCES "job" ("id") ON DELETE SET NULL;

-- How a version was made by training. The base may be deleted; its name and digest stay.
CREATE TABLE "lineage" (
  "version_id" INTEGER PRIMARY KEY REFERENCES "version" ("id") ON DELETE CASCADE,
  "base_version_id" INTEGER REFERENCES "version" ("id") ON DELETE SET NULL,
  "base_handle" TEXT NOT NULL,
  "base_digest" TEXT NOT NULL,
  "data_set" JSONB NOT NULL,
  "settings" JSONB NOT NULL,
  "figures" JSONB NOT NULL,
  "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT now()
);
CREATE INDEX "lineage_base_version_id_idx" ON "lineage" ("base_version_id");

CREATE TABLE "evaluation" (
  "job_id" TEXT PRIMARY KEY,
  "version_id" INTEGER NOT NULL REFERENCES "version" ("id") ON DELETE CASCADE,
  "publisher_id" TEXT NOT NULL,
  "data_set" JSONB NOT NULL,
  "figures" JSONB NOT NULL,
  "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT now()
);
CREATE INDEX "evaluation_version_id_created_at_job_id_idx" ON "evaluation" ("version_id", "created_at", "job_id");

ALTER TABLE "blob_reference" DROP CONSTRAINT "blob_reference_holder_kind_check";
-- rolling-upgrade: it allows all that the one before it did, and more.
ALTER TABLE "blob_reference" ADD CONSTRAINT "blob_reference_holder_kind_check"
  CHECK ("holder_kind" IN ('version', 'documentation', 'draft', 'upload', 'head', 'data-set', 'checkpoint', 'job-file'));
