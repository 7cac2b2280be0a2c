-- Bytes that a worker sends for a job are an upload too; it ends with the try of the job that it belongs to.
ALTER TABLE "upload" ADD COLUMN "job_id" TEXT;
CREATE INDEX "upload_job_id_idx" ON "upload"("job_id");
