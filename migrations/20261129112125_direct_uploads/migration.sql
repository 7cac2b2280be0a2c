-- Parts may go to the store past the hub, so which of them are there is asked of the store; bytes that the store
-- did not hash are read once, by a job, while the upload is `verifying`.
-- rolling-upgrade: no release was made before this migration, so no hub of a version before runs on its schema.
DROP TABLE "upload_part";
-- rolling-upgrade: no release was made before this migration, so no hub of a version before runs on its schema.
ALTER TABLE "upload"
  ADD COLUMN "store_handle" TEXT,
  ADD COLUMN "problem" JSONB,
  DROP CONSTRAINT "upload_state_check",
  ADD CONSTRAINT "upload_state_check" CHECK ("state" IN ('open', 'verifying', 'stored', 'failed', 'cancelled'));
