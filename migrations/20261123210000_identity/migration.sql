CREATE TABLE "account" (
  "id" TEXT COLLATE "C" PRIMARY KEY,
  "display_name" TEXT NOT NULL,
  "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
  "disabled_at" TIMESTAMPTZ(3)
);
-- Whom the token in the data folder belongs to.
INSERT INTO "account" ("id", "display_name") VALUES ('admin', 'Admin');

CREATE TABLE "member" (
  "publisher_id" TEXT NOT NULL REFERENCES "publisher" ("id") ON DELETE CASCADE,
  "account_id" TEXT COLLATE "C" NOT NULL REFERENCES "account" ("id"),
  "role" TEXT NOT NULL CHECK ("role" IN ('owner', 'writer', 'reader')),
  "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
  PRIMARY KEY ("publisher_id", "account_id")
);
CREATE INDEX "member_account_id_idx" ON "member" ("account_id");

-- Nothing has been written to it so far.
DROP TABLE "token";
CREATE TABLE "token" (
  "id" TEXT PRIMARY KEY,
  "account_id" TEXT COLLATE "C" NOT NULL REFERENCES "account" ("id"),
  "kind" TEXT NOT NULL CHECK ("kind" IN ('token', 'session')),
  "hash" TEXT NOT NULL UNIQUE,
  -- Of a session, the hash of the token that it was opened with: it ends with that.
  "parent_hash" TEXT CHECK (("kind" = 'session') = ("parent_hash" IS NOT NULL)),
  "name" TEXT NOT NULL,
  "publisher_id" TEXT REFERENCES "publisher" ("id") ON DELETE CASCADE,
  "role" TEXT NOT NULL CHECK ("role" IN ('admin', 'owner', 'writer', 'reader')),
  "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
  "expires_at" TIMESTAMPTZ(3),
  "last_used_at" TIMESTAMPTZ(3),
  "revoked_at" TIMESTAMPTZ(3)
);
CREATE INDEX "token_account_id_idx" ON "token" ("account_id", "created_at", "id");

-- Outlives what it tells of, so it refers to nothing.
CREATE TABLE "audit" (
  "id" SERIAL PRIMARY KEY,
  "at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
  "account_id" TEXT,
  "token_id" TEXT,
  "request_id" TEXT,
  "action" TEXT NOT NULL,
  "publisher_id" TEXT,
  "module" TEXT,
  "version" INTEGER,
  "detail" JSONB NOT NULL DEFAULT '{}'
);
CREATE INDEX "audit_publisher_id_idx" ON "audit" ("publisher_id", "id");
CREATE INDEX "audit_module_idx" ON "audit" ("module", "id");

-- Who had the draft published: the account, token and request that the audit names once it is.
ALTER TABLE "draft" ADD COLUMN "asked_by" JSONB;
