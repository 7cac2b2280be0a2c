/** A moment for people, in this machine's time zone: `2026-11-23 18:05`. */
export function dateText(moment: string | undefined): string {
  if (moment === undefined) return "";
  const date = new Date(moment);
  if (Number.isNaN(date.getTime())) return moment;
  const two = (value: number): string => String(value).padStart(2, "0");
  const day = `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;
  return `${day} ${two(date.getHours())}:${two(date.getMinutes())}`;
}
