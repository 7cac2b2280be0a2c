import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { brokenRules } from "./migration-rules.ts";

const MIGRATIONS = join(import.meta.dirname, "../../../../migrations");

/**
 * From here on versions are replaced while they run. Nothing was released before, so that no older hub can be at work
 * on those schemas.
 */
const SINCE = "20261129000000";

test("every migration leaves the version before at work, or says why it need not", () => {
  const broken = readdirSync(MIGRATIONS)
    .filter((name) => name > SINCE)
    .flatMap((name) => {
      const sql = readFileSync(join(MIGRATIONS, name, "migration.sql"), "utf8");
      return brokenRules(sql).map(({ line, statement, rule }) => `${name}:${line}: ${statement} (${rule})`);
    });
  expect(broken).toEqual([]);
});

test.each([
  ["DROP TABLE a;"],
  ["ALTER TABLE a DROP COLUMN b;"],
  ["ALTER TABLE a DROP b;"],
  ["ALTER TABLE a DROP b, ADD COLUMN c INT;"],
  ["ALTER TABLE a RENAME TO b;"],
  ["ALTER TABLE a RENAME COLUMN b TO c;"],
  ["ALTER TABLE a ALTER COLUMN b TYPE BIGINT;"],
  ["ALTER TABLE a ALTER b SET DATA TYPE BIGINT;"],
  ["ALTER TABLE a ALTER COLUMN b SET NOT NULL;"],
  ["ALTER TABLE a ALTER COLUMN b DROP DEFAULT;"],
  ["ALTER TABLE a ADD COLUMN b INT NOT NULL;"],
  ["ALTER TABLE a ADD b INT NOT NULL;"],
  ["ALTER TABLE a ADD COLUMN c INT NOT NULL DEFAULT 1, ADD COLUMN b INT NOT NULL;"],
  ["alter table a\n  add column b text\n  not null;"],
  ["ALTER TABLE a ADD CONSTRAINT c CHECK (b > 0);"],
  ["CREATE UNIQUE INDEX i ON a (b);"],
  ["TRUNCATE a;"],
  ["DO $$ BEGIN EXECUTE 1; DROP TABLE a; END $$;"],
  ["-- rolling-upgrade: short\nDROP TABLE a;"],
  ["-- rolling-upgrade: nobody has read this table since version 0.3\nSELECT 1; DROP TABLE a;"],
])("%s is asked about", (sql) => {
  expect(brokenRules(sql)).not.toEqual([]);
});

test.each([
  ["CREATE TABLE a (b INT NOT NULL UNIQUE);"],
  ["CREATE TABLE a (b INT); CREATE UNIQUE INDEX i ON a (b); ALTER TABLE a ADD COLUMN c INT NOT NULL;"],
  ["ALTER TABLE a ADD COLUMN b INT;"],
  ["ALTER TABLE a ADD COLUMN b INT NOT NULL DEFAULT 0;"],
  ["ALTER TABLE a DROP CONSTRAINT c;"],
  ["ALTER TABLE a ALTER COLUMN b DROP NOT NULL;"],
  ["DROP INDEX i;"],
  ["CREATE INDEX i ON a (b);"],
  ["INSERT INTO a VALUES ('DROP TABLE b; it''s');"],
  ["-- DROP TABLE a\nSELECT 1; /* RENAME */"],
  ["-- rolling-upgrade: nobody has read this table since version 0.3\nDROP TABLE a;"],
])("%s is not", (sql) => {
  expect(brokenRules(sql)).toEqual([]);
});

test("the line of the statement is told", () => {
  expect(brokenRules("SELECT 1;\n\n-- what\nDROP TABLE a;")).toMatchObject([
    { line: 4, statement: "DROP TABLE a" },
  ]);
});
