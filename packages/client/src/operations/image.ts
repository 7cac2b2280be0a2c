/** The bytes of an encoded image: JPEG, PNG or WebP. */
export type Image = Uint8Array;

/** An image as it travels in JSON. */
export const imageToJson = (image: Image): { b64: string } => ({ b64: base64(image) });

/** In pieces, since a call takes only so many arguments. Portable: browsers have no `Buffer`. */
function base64(bytes: Uint8Array): string {
  let binary = "";
  for (let start = 0; start < bytes.length; start += PIECE)
    binary += String.fromCharCode(...bytes.subarray(start, start + PIECE));
  return btoa(binary);
}

const PIECE = 0x2000;
