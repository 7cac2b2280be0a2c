-- Which round of a sweep was begun last, so that one replica does it and not all.
CREATE TABLE "sweep" (
  "name" TEXT PRIMARY KEY,
  "begun_at" TIMESTAMPTZ(3) NOT NULL
);

-- Drafts are listed newest first, of all modules or of one; sweeps look for those whose time is up.
CREATE INDEX "draft_created_at_id_idx" ON "draft" ("created_at", "id");
CREATE INDEX "draft_module_id_created_at_id_idx" ON "draft" ("module_id", "created_at", "id");
CREATE INDEX "upload_expires_at_idx" ON "upload" ("expires_at");
