-- Whose it was when it was deleted. Before, a name's first segment told; a publisher's own tombstone is all of it.
ALTER TABLE "tombstone" ADD COLUMN "publisher_id" TEXT;
UPDATE "tombstone" SET "publisher_id" = split_part("lower_name", '/', 1);
ALTER TABLE "tombstone" ALTER COLUMN "publisher_id" SET NOT NULL;
