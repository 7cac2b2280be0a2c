-- The most bytes that a publisher may keep; absent: as many as there is room for.
ALTER TABLE "publisher" ADD COLUMN "quota" BIGINT CHECK ("quota" >= 0);
-- What a publisher keeps is asked for with every upload, where it has a quota.
CREATE INDEX "blob_reference_publisher_id_idx" ON "blob_reference" ("publisher_id");
CREATE INDEX "upload_publisher_id_idx" ON "upload" ("publisher_id") WHERE "state" IN ('open', 'verifying');
