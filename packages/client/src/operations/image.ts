/** The bytes of an encoded image: JPEG, PNG or WebP. */
export type Image = Uint8Array;

/** An image as it travels in JSON. */
export const imageToJson = (image: Image): { b64: string } => ({
  b64: Buffer.from(image).toString("base64"),
});
