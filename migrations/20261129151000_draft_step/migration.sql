-- How far a draft's verification is, for readers of its events at another replica. Absent while none is under way.
ALTER TABLE "draft" ADD COLUMN "step" TEXT;
