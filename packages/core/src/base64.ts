/**
 * Bytes of base64, standard or URL-safe, padded or not; undefined where the text is neither. White space is
 * passed over, as in MIME. Portable: Node 24 has no `Uint8Array.fromBase64`, and browsers no `Buffer`.
 */
export function bytesFromBase64(text: string): Uint8Array | undefined {
  let binary: string;
  try {
    binary = atob(text.replaceAll("-", "+").replaceAll("_", "/"));
  } catch {
    return undefined;
  }
  const bytes = new Uint8Array(binary.length);
  for (let index = 0; index < binary.length; index++) bytes[index] = binary.charCodeAt(index);
  return bytes;
}
