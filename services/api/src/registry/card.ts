import { firstParagraph, plainText } from "@modulehub/web/plain-text";
import { readReadme } from "@modulehub/web/readme";
import { z } from "zod";

/** Characters of a README that search knows. */
const MAX_TEXT = 10_000;
/** Bytes of a README that are read for its card: what search knows, and as much front matter as is read at most. */
export const CARD_BYTES = 262_144;

/** What a version's documentation says of it, as it is stored: the front matter of README.md, and its words. */
export const cardSchema = z.object({
  title: z.string().optional(),
  /** One line: the card's own, or the README's first paragraph. */
  description: z.string().optional(),
  domain: z.string().optional(),
  architecture: z.string().optional(),
  license: z.string().optional(),
  languages: z.array(z.string()),
  datasets: z.array(z.string()),
  baseModels: z.array(z.string()),
  tags: z.array(z.string()),
  /** The README's beginning as plain text, for search. */
  text: z.string(),
});

export type StoredCard = z.infer<typeof cardSchema>;

/** The card of a README.md, or of none; never throws, as a README can't be refused for its card. */
export function readCard(readme = ""): StoredCard {
  const { card, body } = readReadme(readme);
  return cardSchema.parse({
    ...card,
    description: card.description ?? firstParagraph(body),
    text: plainText(body.slice(0, 2 * MAX_TEXT))
      .slice(0, MAX_TEXT)
      .toWellFormed(),
  });
}
