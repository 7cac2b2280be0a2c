-- One row a module: what lists show of it and find it by. Made anew, in the same transaction, by everything that
-- changes it (services/api/src/registry/listing.ts).
CREATE TABLE "listing" (
  "module_id" INTEGER PRIMARY KEY REFERENCES "module" ("id") ON DELETE CASCADE,
  "publisher_id" TEXT NOT NULL,
  "name" TEXT COLLATE "C" NOT NULL,
  -- The name in lower case, and its last segment.
  "lower_name" TEXT COLLATE "C" NOT NULL,
  "short_name" TEXT COLLATE "C" NOT NULL,
  "visibility" TEXT NOT NULL,
  -- Whether everyone may see it: public, with a version that is not yanked.
  "open" BOOLEAN NOT NULL,
  "created_at" TIMESTAMPTZ(3) NOT NULL,
  -- When the latest version was published; without one, when the module was made.
  "changed_at" TIMESTAMPTZ(3) NOT NULL,
  "version" INTEGER,
  "digest" TEXT,
  "size" BIGINT NOT NULL,
  "shown" JSONB NOT NULL,
  "facets" TEXT[] NOT NULL,
  "head" TSVECTOR NOT NULL,
  "words" TSVECTOR NOT NULL
);
CREATE UNIQUE INDEX "listing_name_key" ON "listing" ("name");
CREATE INDEX "listing_lower_name_idx" ON "listing" ("lower_name");
CREATE INDEX "listing_short_name_idx" ON "listing" ("short_name");
CREATE INDEX "listing_changed_at_idx" ON "listing" ("changed_at", "name");
CREATE INDEX "listing_size_idx" ON "listing" ("size", "name");
-- Without a pending list: searches would read it through until a vacuum, which the embedded database never does.
CREATE INDEX "listing_facets_idx" ON "listing" USING gin ("facets") WITH (fastupdate = off);
CREATE INDEX "listing_words_idx" ON "listing" USING gin ("words") WITH (fastupdate = off);
