const LANGUAGES = new Intl.DisplayNames(["en"], { type: "language", fallback: "none" });

/** "English" for `en`; what is no language tag stays as it is. */
export function languageName(tag: string): string {
  if (!/^[a-z]{2,3}(-[a-z0-9]{2,8}){0,3}$/i.test(tag)) return tag;
  try {
    return LANGUAGES.of(tag) ?? tag;
  } catch {
    // Looks like a tag and is none: a publisher's word, shown as it was written.
    return tag;
  }
}
