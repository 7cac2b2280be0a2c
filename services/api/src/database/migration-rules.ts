/**
 * What a migration may do so that the hub of the version before goes on working on its schema: replicas are replaced
 * one after the other, and the first that starts migrates (docs/operations.md, "Upgrading"). Reads SQL by its words, not by a
 * grammar: it errs on the side of asking.
 */
export interface BrokenRule {
  /** From 1 on. */
  line: number;
  statement: string;
  rule: string;
}

interface Rule {
  pattern: RegExp;
  rule: string;
}

const RULES: Rule[] = [
  { pattern: /\bDROP\s+TABLE\b/i, rule: "the version before reads this table" },
  {
    pattern: /\bDROP\s+(COLUMN\b|(IF\s+EXISTS\s+)?"?\w+"?\s*(,|$))/i,
    rule: "the version before reads this column",
  },
  {
    pattern: /\bRENAME\b/i,
    rule: "the version before knows the old name: add, write both, and drop two versions later",
  },
  {
    pattern: /\bALTER\s+(COLUMN\s+)?"?\w+"?\s+(SET\s+DATA\s+)?TYPE\b/i,
    rule: "the version before reads and writes the old type",
  },
  { pattern: /\bSET\s+NOT\s+NULL\b/i, rule: "the version before may write no value" },
  { pattern: /\bTRUNCATE\b/i, rule: "the version before has data here" },
  {
    pattern: /\bDROP\s+(VIEW|FUNCTION|TYPE|SEQUENCE|SCHEMA|TRIGGER)\b/i,
    rule: "the version before may use it",
  },
  { pattern: /\bDROP\s+DEFAULT\b/i, rule: "the version before may write no value" },
  { pattern: /\bCREATE\s+UNIQUE\s+INDEX\b/i, rule: "the version before may write what is not unique" },
  {
    pattern: /\bADD\s+(CONSTRAINT|CHECK|UNIQUE|FOREIGN|PRIMARY|EXCLUDE)\b/i,
    rule: "the version before may write what this refuses",
  },
];

/** Only in `ALTER TABLE`: of a new table nobody knows yet. */
const ADDED_COLUMN =
  /\bADD\s+(COLUMN\s+)?(?!CONSTRAINT|CHECK|UNIQUE|FOREIGN|PRIMARY|EXCLUDE)(IF\s+NOT\s+EXISTS\s+)?"?\w+"?\s+[^,]*\bNOT\s+NULL\b[^,]*/gi;

/** A comment that allows the statement below it, and says why. */
const ALLOWANCE = /^\s*--\s*rolling-upgrade:\s*(\S.{20,})$/;

/** The rules that a migration breaks and gives no reason for. */
export function brokenRules(sql: string): BrokenRule[] {
  const made = new Set(
    [...sql.matchAll(/\bCREATE\s+TABLE\s+"?(\w+)"?/gi)].map(([, table]) => table!.toLowerCase()),
  );
  return statementsOf(sql).flatMap(({ text, line, allowed }) => {
    const table = /^(?:ALTER\s+TABLE(?:\s+ONLY)?|CREATE\s+UNIQUE\s+INDEX\s+\S+\s+ON)\s+"?(\w+)"?/i.exec(
      text,
    )?.[1];
    // What the same migration makes is unknown to the version before.
    if (allowed || (table !== undefined && made.has(table.toLowerCase()))) return [];
    const broken = RULES.filter(({ pattern }) => pattern.test(text)).map(({ rule }) => rule);
    if (/^ALTER\s+TABLE\b/i.test(text))
      for (const [column] of text.matchAll(ADDED_COLUMN))
        if (!/\bDEFAULT\b/i.test(column))
          broken.push("the version before writes no value for this column: give it a default");
    return broken.map((rule) => ({ line, statement: text.replaceAll(/\s+/g, " ").slice(0, 120), rule }));
  });
}

interface Statement {
  text: string;
  line: number;
  allowed: boolean;
}

/** Statements without comments and strings; a body in dollar quotes is one with what is around it. */
function statementsOf(sql: string): Statement[] {
  const statements: Statement[] = [];
  let [text, line, allowed, first] = ["", 1, false, 0];
  const end = () => {
    if (text.trim() !== "") statements.push({ text: text.trim(), line: first, allowed });
    [text, allowed, first] = ["", false, 0];
  };
  const tokens = sql.matchAll(
    /--[^\n]*|\/\*[\s\S]*?\*\/|'(?:[^']|'')*'|(\$\w*\$)[\s\S]*?\1|\n|;|[^\n;'$/-]+|[\s\S]/g,
  );
  for (const [token] of tokens) {
    if (token.startsWith("--")) allowed ||= text.trim() === "" && ALLOWANCE.test(token);
    else if (token.startsWith("'")) text += "''";
    else if (token === ";") end();
    else if (!token.startsWith("/*")) {
      if (first === 0 && token.trim() !== "") first = line;
      text += token;
    }
    line += token.split("\n").length - 1;
  }
  end();
  return statements;
}
