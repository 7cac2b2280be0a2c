-- What a classifier tells apart, for search: the beginning of its files of labels. Absent where it has none.
ALTER TABLE "version" ADD COLUMN "labels" TEXT;
