import { type Image, imageToJson } from "./image.ts";

/** What `embed` and `classify` take: a text, an image, or several of one kind. */
export type Items = string | string[] | Image | Image[];

/** Items as they travel in JSON. */
export function itemsToJson(items: Items): unknown {
  if (Array.isArray(items)) return items.map((item) => (typeof item === "string" ? item : imageToJson(item)));
  return typeof items === "string" ? items : imageToJson(items);
}
