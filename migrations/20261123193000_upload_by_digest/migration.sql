-- An upload of the same bytes that is open already is continued: it is looked for by its digest.
-- CreateIndex
CREATE INDEX "upload_digest_idx" ON "upload"("digest");
